"""The demo: start everything, ask, read back what arrived, print it; on a terminal, go on serving."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

import httpx
from rich.console import Console

from examples.support_bot import questions, report
from examples.support_bot.asking import Answer, ask_all
from examples.support_bot.outage import ask_through_outage
from examples.support_bot.pager import Pager
from examples.support_bot.processes import Children, DemoError, some, tail
from examples.support_bot.progress import Progress
from examples.support_bot.promises import matters, wrong_status
from examples.support_bot.readback import PageReadback, TraceReadback
from examples.support_bot.stack import SAMPLING, Stack, clean_environment, is_model_real, name_model, start_stack

_FAILED = 1
_POLL = 0.5
_INTERRUPTED = 130  # 128 + SIGINT, as a shell counts


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo and return its exit status: 0, 1 where something that it promised did not arrive, 130 at Ctrl-C."""
    arguments = _parser().parse_args(argv)
    folder = arguments.logs
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # the bars, where the terminal's encoding has none
    console = Console(highlight=False, soft_wrap=True)
    if folder:
        return _attempt(console, folder, arguments)
    folder = Path(tempfile.mkdtemp(prefix="llmtrace-demo-"))
    status = _attempt(console, folder, arguments)
    if status != _FAILED:
        shutil.rmtree(folder)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m examples.support_bot", description="The demo of llmtrace.")
    parser.add_argument(
        "--logs", type=_new_folder, metavar="FOLDER", help="keep the logs and the data of the run there"
    )
    parser.add_argument(
        "--sampling",
        choices=SAMPLING,
        default="development",
        help="production: only what matters is kept, and 1 %% of the rest (default: %(default)s)",
    )
    parser.add_argument(
        "--outage", action="store_true", help="stop Phoenix in the middle, and show that nothing is lost"
    )
    return parser


def _new_folder(path: str) -> Path:
    """A folder that holds nothing yet: what an earlier run left would be taken for this one's."""
    folder = Path(path).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        empty = not any(folder.iterdir())
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{path!r}: {error.strerror}; allowed: a new or empty folder") from None
    if not empty:
        raise argparse.ArgumentTypeError(f"{path!r} is not empty; allowed: a new or empty folder")
    return folder


def _attempt(console: Console, folder: Path, arguments: argparse.Namespace) -> int:
    try:
        _run(console, folder, arguments.sampling, has_outage=arguments.outage)
    except DemoError as error:
        for log in [error.log] if error.log else sorted(folder.glob("*.log")):
            console.print(f"\nThe end of {log}:\n{tail(log)}", style="dim", markup=False)
        console.print(f"demo: FAILED: {error} (all logs: {folder})", style="red", markup=False)
        return _FAILED
    except KeyboardInterrupt:
        console.print("demo: interrupted")
        return _INTERRUPTED
    return 0


def _run(console: Console, folder: Path, sampling: str, *, has_outage: bool) -> None:
    progress = Progress(console)
    with Pager() as pager, Children(folder, clean_environment(os.environ, folder)) as children:
        progress.say(f"starting Phoenix, router and service; logs: {folder}")
        progress.say(f"the answers come from {name_model(os.environ)}")
        progress.say(f"sampling: {SAMPLING[sampling]}")
        stack = start_stack(children, folder, pager.url, progress, SAMPLING[sampling])
        asked = questions.sessions(real_model=is_model_real(os.environ))
        progress.say(f"asking {sum(map(len, asked))} questions in {len(asked)} sessions")
        if has_outage:
            answers = ask_through_outage(children, stack, folder, asked, progress)
        else:
            answers = ask_all(stack.service, asked)
        if wrong := wrong_status(answers):
            raise DemoError(some(wrong))
        progress.say("all are answered; reading back the traces from Phoenix and the page from the router")
        _read_back(console, progress, children, stack, answers, pager, is_sampled=sampling != "development")
        if sys.stdin.isatty() and sys.stdout.isatty():
            _serve(console, children, stack)


def _read_back(
    console: Console,
    progress: Progress,
    children: Children,
    stack: Stack,
    answers: Sequence[Answer],
    pager: Pager,
    *,
    is_sampled: bool,
) -> None:
    """Wait until everything that must be there has arrived, then print it."""
    with _client(stack.phoenix) as phoenix, _client(stack.router) as router:
        promised = [answer for answer in answers if matters(answer)] if is_sampled else answers
        traces, pages = TraceReadback(phoenix, promised), PageReadback(router, answers, pager)
        children.wait_until_none(lambda: traces.missing() + pages.missing(), progress)
        if is_sampled:
            others = traces.found([answer for answer in answers if answer not in promised])
            report.print_sampling(console, {**traces.traces, **others}, len(answers))
        report.print_waterfall(console, traces.traces)
        report.print_requests(console, traces.traces, stack.phoenix)
        report.print_page(console, pages.pages[0])


def _serve(console: Console, children: Children, stack: Stack) -> None:
    console.print(f"\nPhoenix  {stack.phoenix}\nservice  {stack.service}/docs\nrouter   {stack.router}/api/v1/alerts")
    console.print("Serving until Ctrl-C.", style="bold")
    with suppress(KeyboardInterrupt):
        while True:
            children.check()
            time.sleep(_POLL)
    console.print("\nstopping")


def _client(base_url: str) -> httpx.Client:
    return httpx.Client(base_url=base_url, timeout=10.0, trust_env=False)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
