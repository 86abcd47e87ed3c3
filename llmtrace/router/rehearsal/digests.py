"""The digests of a test: when each would be sent up to its end and once more, and what it would hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from llmtrace.router.config import RouterConfig
from llmtrace.router.config.cron import next_after
from llmtrace.router.config.settings import Digest
from llmtrace.router.digest.letter import text
from llmtrace.router.digest.report import report
from llmtrace.router.store.database import Database
from llmtrace.router.store.digests import SqlDigests

MOST: Final = 1_000
"""Of one receiver in one test."""


@dataclass(frozen=True, slots=True)
class Bundled:
    """A digest as it would be sent ``at`` so long after the start. ``alerts``: how many of each name it tells."""

    at: timedelta
    receiver: str
    alerts: Mapping[str, int]
    text: str
    """The mail."""


def bundled(config: RouterConfig, database: Database, start: datetime, end: datetime) -> tuple[Bundled, ...]:
    """Every digest in the order of time. The last of each receiver comes after the end, with what waits for it then."""
    store = SqlDigests(database)
    found = [
        _bundled(store, digest, start, *period)
        for digest in config.digests
        for period in islice(_periods(digest, start, end), MOST)
    ]
    return tuple(sorted(found, key=lambda each: (each.at, each.receiver)))


def _periods(digest: Digest, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    since = start
    while since <= end:
        due = next_after(digest.schedule, digest.timezone, since)
        yield since, due
        since = due


def _bundled(store: SqlDigests, digest: Digest, start: datetime, since: datetime, until: datetime) -> Bundled:
    found, before = store.trend(digest, since, until)
    alerts: Counter[str] = Counter()
    for rule, number in found.bundled.items():
        alerts[rule.name] += number
    return Bundled(until - start, digest.receiver, alerts, text(report(digest, since, until, found, before)))
