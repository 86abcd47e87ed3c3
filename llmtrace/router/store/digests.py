"""Digests in the store: when each is due, and what came in a period, counted.

A row is a digest's next period. Its end is fixed before the first attempt to send, so that a mail that is sent again
after a crash is the same mail, under the same name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Text, case, cast, delete, func, insert, select, update

from llmtrace.router.config.cron import next_after
from llmtrace.router.config.settings import Digest
from llmtrace.router.model import ALERTNAME, SEVERITY, Reason, Rollout, Status, Tier
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.database import Database
from llmtrace.router.store.schema import alerts, decisions, digests
from llmtrace.semconv import trace

ALL: Final = 500_000
"""Decisions that a digest counts at most: the latest of its period."""


@dataclass(frozen=True, slots=True)
class Due:
    """A digest whose time has come: its period, and how often it was tried."""

    digest: Digest
    since: datetime
    until: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Rule:
    """Alerts of one name."""

    name: str
    severity: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What was decided of firing alerts in a period. ``bundled`` is what the digest's receiver is told by it."""

    bundled: Mapping[Rule, int]
    tiers: Mapping[Tier, int]
    suppressed: Mapping[Reason, int]
    rules: Mapping[Rule, int]
    cost: float
    """US dollars, of the model calls that were tagged."""
    is_cut: bool
    """Whether there was more than could be counted."""


class SqlDigests:
    """What the sender of digests reads and writes; each call is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, wanted: Collection[Digest], now: datetime) -> None:
        """New digests begin now; those that the rules name no more are gone.

        Where a receiver only gets another schedule, the new one begins where the old one did: nothing is left out.
        """
        with self._database.write() as connection:
            known = {_digest(row): row for row in connection.execute(select(digests))}
            begun: dict[str, datetime] = {}
            for digest in set(known) - set(wanted):
                begun[digest.receiver] = min(known[digest].since, begun.get(digest.receiver, now))
                connection.execute(delete(digests).where(_is(digest)))
            for digest in set(wanted) - set(known):
                due = next_after(digest.schedule, digest.timezone, now)
                values = {"since": begun.get(digest.receiver, now), "due_at": due, "attempts": 0, "detail": ""}
                connection.execute(insert(digests).values(**_key(digest), **values))

    def due(self, now: datetime, until: Mapping[Digest, datetime]) -> Sequence[Due]:
        """Those that are due, each with its period, whose end is ``until`` unless it was fixed before."""
        ready = (digests.c.due_at <= now) & (digests.c.retry_at.is_(None) | (digests.c.retry_at <= now))
        with self._database.read() as connection:
            rows = [row for row in connection.execute(select(digests).where(ready)) if _digest(row) in until]
        if not rows:
            return ()
        with self._database.write() as connection:
            for row in rows:
                if row.until is None:
                    fixed = update(digests).where(_is(_digest(row))).values(until=until[_digest(row)])
                    connection.execute(fixed)
        return [Due(_digest(row), row.since, row.until or until[_digest(row)], row.attempts) for row in rows]

    def over(self, sent: Due, outcome: str, detail: str, now: datetime) -> None:
        """It is done with, one way or the other; the next period follows."""
        digest = sent.digest
        next_due = next_after(digest.schedule, digest.timezone, max(now, sent.until))
        fresh = {"since": sent.until, "due_at": next_due, "until": None, "retry_at": None, "attempts": 0}
        body = {
            "receiver": digest.receiver,
            "since": sent.since.isoformat(),
            "until": sent.until.isoformat(),
            "state": outcome,
            "detail": detail,
        }
        with self._database.write() as connection:
            connection.execute(update(digests).where(_is(digest)).values(**fresh, detail=detail))
            trail = AuditTrail(connection, now)
            trail.add("digest", body)
            trail.write()

    def again(self, tried: Due, detail: str, at: datetime) -> None:
        """Try it again then."""
        values = {"retry_at": at, "attempts": tried.attempts + 1, "detail": detail}
        with self._database.write() as connection:
            connection.execute(update(digests).where(_is(tried.digest)).values(**values))

    def figures(self, receiver: str, since: datetime, until: datetime) -> Figures:
        """What came in a period."""
        with self._database.read() as connection:
            return figures(connection, receiver, since, until)


def began(connection: Connection, digest: Digest) -> datetime | None:
    """When the period of a digest began that is under way; None where no router has planned it yet."""
    found: datetime | None = connection.scalar(select(digests.c.since).where(_is(digest)))
    return found


def figures(connection: Connection, receiver: str, since: datetime, until: datetime, most: int = ALL) -> Figures:
    """What came in a period, at most the latest ``most`` decisions of it."""
    first, end = _first(connection, since), _first(connection, until)
    start = max(first, end - most)
    name, severity = (alerts.c.labels[label].as_string().label(label) for label in (ALERTNAME, SEVERITY))
    columns = [name, severity, decisions.c.tier, decisions.c.reason, cast(decisions.c.receivers, Text).label("whom")]
    told = case((decisions.c.due_at.is_not(None), 1), else_=0).label("told")
    window = (
        (decisions.c.id >= start)
        & (decisions.c.id < end)
        & (alerts.c.status == Status.FIRING)
        & decisions.c.route.not_like(f"{Rollout.SHADOW}:%")
    )
    query = select(*columns, told, func.count().label("number")).select_from(decisions.join(alerts)).where(window)
    bundled: Counter[Rule] = Counter()
    rules: Counter[Rule] = Counter()
    tiers: Counter[Tier] = Counter()
    suppressed: Counter[Reason] = Counter()
    for row in connection.execute(query.group_by(*columns, told)):
        rule, tier, reason = Rule(row[0] or "", row[1] or ""), Tier(row.tier), Reason(row.reason)
        rules[rule] += row.number
        if tier is Tier.DIGEST and receiver in json.loads(row.whom) and reason in (Reason.BUNDLED, Reason.NO_ROUTE):
            bundled[rule] += row.number
        elif not row.told and reason.suppresses and reason is not Reason.BUNDLED:
            suppressed[reason] += row.number
        tiers[tier] += row.number if row.told or reason in (Reason.BUNDLED, Reason.NO_ROUTE) else 0
    return Figures(bundled, tiers, suppressed, rules, _cost(connection, window), start > first)


def _cost(connection: Connection, window: Any) -> float:
    """What a sender writes there may be anything."""
    cost = alerts.c.annotations[trace.LLM_COST_TOTAL].as_string()
    found = select(alerts.c.id, cost).select_from(decisions.join(alerts)).where(window, cost.is_not(None)).distinct()
    return sum(_dollars(text) for _, text in connection.execute(found))


def _dollars(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e9 else 0.0  # noqa: PLR2004 - what no call costs


def _first(connection: Connection, moment: datetime) -> int:
    """The first decision from then on, by halving: their numbers rise with their time."""
    # One at a time: of both together SQLite reads the whole table.
    low = int(connection.scalar(select(func.min(decisions.c.id))) or 0)
    high = int(connection.scalar(select(func.max(decisions.c.id))) or -1) + 1
    while low < high:
        middle = (low + high) // 2
        at = connection.scalar(
            select(decisions.c.decided_at).where(decisions.c.id >= middle).order_by(decisions.c.id).limit(1)
        )
        if at is None or at >= moment:
            high = middle
        else:
            low = middle + 1
    return low


def _key(digest: Digest) -> dict[str, str]:
    return {"receiver": digest.receiver, "schedule": digest.schedule, "timezone": digest.timezone}


def _is(digest: Digest) -> Any:
    return (
        (digests.c.receiver == digest.receiver)
        & (digests.c.schedule == digest.schedule)
        & (digests.c.timezone == digest.timezone)
    )


def _digest(row: Any) -> Digest:
    return Digest(row.receiver, row.schedule, row.timezone)
