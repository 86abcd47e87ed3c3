"""``llmtrace router rollout | diff``: what rules that wake nobody yet would do, and what a change of the rules does."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llmtrace.cli.router.asking import ask
from llmtrace.cli.router.loading import extra, load, load_rules
from llmtrace.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from llmtrace.router.config import RouterConfig
    from llmtrace.router.model import Alert

_MOST_RULES: Final = 200
_MOST_ALERTS: Final = 100_000
_PAGE: Final = 1_000
_TIERS: Final = ("page", "channel", "digest")


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> list[argparse.ArgumentParser]:
    """Register the commands; returns those that need the rules."""
    rolling = commands.add_parser("rollout", help="show what rules in shadow would have sent")
    rolling.set_defaults(run=rollout)
    differing = commands.add_parser("diff", help="show which recorded alerts other rules would route otherwise")
    differing.add_argument("old", metavar="OLD", type=Path, help="the rules as they are")
    differing.add_argument("new", metavar="NEW", type=Path, help="the rules as they would be")
    differing.add_argument(
        "--last", metavar="N", type=_number, default=_PAGE, help="so many alerts (default: %(default)s)"
    )
    differing.add_argument(
        "--alerts", metavar="FILE", type=Path, help="a saved answer of /api/v1/alerts instead of the store"
    )
    differing.add_argument("--url", help="a running router to ask instead of the store of OLD")
    differing.add_argument("--markdown", action="store_true", help="for a comment on a pull request")
    differing.add_argument("--exit-code", action="store_true", help="status 1 where anything goes another way")
    differing.set_defaults(run=diff)
    return [rolling]


def rollout(arguments: argparse.Namespace) -> int:
    """Print, by rule, how many alerts came, how many messages would have been sent, and what would have escalated.

    Raises:
        ConfigurationError: the file or the store cannot be read.
    """
    config = load(arguments)
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.rollouts import every_rule  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.shadows import would_be  # noqa: PLC0415 - behind an extra

    with reading(config.store) as connection:
        rows, steps = every_rule(connection, _MOST_RULES), would_be(connection, datetime.now(UTC))
    for each in config.rollout:
        print(f"{each.mode}: {', '.join(map(str, each.matchers)) or 'every alert'}")  # noqa: T201 - the command's output
    if not rows:
        print("no alert came by a rule that wakes nobody yet")  # noqa: T201 - the command's output
        return 0
    head = ("rule", "mode", "alerts", *_TIERS, "since", "last", "route")
    title, *lines = _aligned([head, *map(_cells, rows)])
    print(title)  # noqa: T201 - the command's output
    for row, line in zip(rows, lines, strict=True):
        print(line)  # noqa: T201 - the command's output
        for step in steps.get((row.alertname, row.route), ()) if row.mode == "shadow" else ():
            print(f"  {step}")  # noqa: T201 - the command's output
    return 0


def _cells(row: Any) -> tuple[str, ...]:
    messages = [str(row.notifications) if row.tier == tier else "-" for tier in _TIERS]
    times = [f"{moment:%Y-%m-%d %H:%M}" for moment in (row.first_at, row.last_at)]
    return (row.alertname, row.mode, str(row.alerts), *messages, *times, row.route)


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for cells in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def diff(arguments: argparse.Namespace) -> int:
    """Print which of the last alerts go another way by the new rules.

    Raises:
        ConfigurationError: rules, alerts or the store cannot be read.
    """
    old, new = (load_rules(file, os.environ) for file in (arguments.old, arguments.new))
    from llmtrace.router.rehearsal import as_markdown, as_table, differences  # noqa: PLC0415 - behind an extra

    alerts = _alerts(arguments, old)
    changes = differences(alerts, old, new)
    for line in (as_markdown if arguments.markdown else as_table)(changes, len(alerts)):
        print(line)  # noqa: T201 - the command's output
    return 1 if arguments.exit_code and changes else 0


def _alerts(arguments: argparse.Namespace, old: RouterConfig) -> list[Alert]:
    if arguments.alerts is not None:
        return list(_read(arguments.alerts, arguments.last))
    if arguments.url is not None:
        return [_alert(row) for row in _asked(arguments, old)]
    from llmtrace.router.store.database import reading  # noqa: PLC0415 - behind an extra
    from llmtrace.router.store.recent import recent  # noqa: PLC0415 - behind an extra

    with reading(old.store) as connection:
        return recent(connection, arguments.last)


def _read(file: Path, last: int) -> Iterable[Alert]:
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["alerts"][:last]
        return [_alert(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"{file}: not the answer of a router's /api/v1/alerts ({type(error).__name__})"
        raise ConfigurationError(problem) from error


def _asked(arguments: argparse.Namespace, old: RouterConfig) -> Iterator[Any]:
    left, before = arguments.last, ""
    while left > 0:
        said = ask(arguments, old, "GET", f"/api/v1/alerts?limit={min(left, _PAGE)}{before}")
        yield from said["alerts"]
        left -= len(said["alerts"])
        if said["next"] is None:
            return
        before = f"&before={said['next']}"


def _alert(row: Any) -> Alert:
    with extra():
        from llmtrace.router.store.rows import from_json  # noqa: PLC0415 - behind an extra
    return from_json(row)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= _MOST_ALERTS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {_MOST_ALERTS}")
    return int(text)
