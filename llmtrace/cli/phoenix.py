"""``llmtrace phoenix``: a local Phoenix with safe settings, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import argparse
import functools
import os
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from llmtrace.backends.phoenix import PhoenixSettings, RunningPhoenix, default_working_dir, start_phoenix
from llmtrace.backends.phoenix.server import DEFAULT_GRPC_PORT, DEFAULT_PORT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_POLL: Final = 0.2  # seconds between two looks at whether to stop


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = subparsers.add_parser(
        "phoenix",
        help="a local Phoenix with safe settings",
        description="Run a local Phoenix with safe settings until Ctrl-C. Needs: pip install 'llmtrace-otel[phoenix]'.",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=DEFAULT_PORT,
        help="page, API and OTLP over HTTP (default: %(default)s; 0: any free one)",
    )
    parser.add_argument(
        "--grpc-port",
        type=int,
        default=DEFAULT_GRPC_PORT,
        help="OTLP over gRPC (default: %(default)s; 0: any free one)",
    )
    parser.add_argument(
        "--working-dir",
        type=Path,
        metavar="DIR",
        help="where the traces and the log are kept (default: $XDG_STATE_HOME/llmtrace/phoenix)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop, which is the normal end: status 0."""
    folder = arguments.working_dir or default_working_dir(os.environ)
    settings = PhoenixSettings(folder, arguments.port, arguments.grpc_port)
    with _signals_noted() as signals:
        say_once = functools.cache(_say)  # and not before the settings have proved right

        def on_wait(_waited: float) -> None:
            signals.check()
            say_once("starting Phoenix, which takes 10 to 30 seconds ...")

        try:
            with start_phoenix(settings, on_wait=on_wait) as phoenix:
                _announce(phoenix)
                _watch(phoenix, signals)
        except _ToldToStopError:
            _say("Phoenix is stopped")
    return 0


def _watch(phoenix: RunningPhoenix, signals: _Signals) -> NoReturn:
    while phoenix.is_running():
        signals.check()
        time.sleep(_POLL)
    raise phoenix.failure()


def _announce(phoenix: RunningPhoenix) -> None:
    _say(f"Phoenix is at {phoenix.base_url} (data and log in {phoenix.log_file.parent}); Ctrl-C stops it")
    _say(
        f"its gRPC port {phoenix.grpc_port} listens on ALL interfaces without a password: Phoenix has no setting for it"
    )


def _say(line: str) -> None:
    sys.stdout.write(f"llmtrace: {line}\n")
    sys.stdout.flush()


class _ToldToStopError(Exception):
    """Ctrl-C or SIGTERM came."""


class _Signals:
    """Notes Ctrl-C and SIGTERM until somebody asks.

    A handler that raised would do so between any two instructions, and some places swallow what is raised in them.
    """

    def __init__(self) -> None:
        self._came = False

    def note(self, _number: int, _frame: FrameType | None) -> None:
        """The handler."""
        self._came = True

    def check(self) -> None:
        """Raise if one has come."""
        if self._came:
            raise _ToldToStopError


@contextmanager
def _signals_noted() -> Iterator[_Signals]:
    """A service manager's SIGTERM means what Ctrl-C means; a shell that has us ignore Ctrl-C is obeyed."""
    signals = _Signals()
    numbers = [number for number in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(number) is not signal.SIG_IGN]
    before = [(number, signal.signal(number, signals.note)) for number in numbers]
    try:
        yield signals
    finally:
        for number, handler in before:
            signal.signal(number, handler)
