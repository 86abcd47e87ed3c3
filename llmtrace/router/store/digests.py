"""Digests in the store: when each is due, and whether it was sent.

A row is a digest's next period. Its end is fixed before the first attempt to send, so that a mail that is sent again
after a crash is the same mail, under the same name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from llmtrace.router.config.cron import next_after
from llmtrace.router.config.settings import Digest
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.database import Database
from llmtrace.router.store.period import Figures, trend
from llmtrace.router.store.schema import digests


@dataclass(frozen=True, slots=True)
class Due:
    """A digest whose time has come: its period, and how often it was tried."""

    digest: Digest
    since: datetime
    until: datetime
    attempts: int


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
        wanted = {digest: digest for digest in until}  # with all that the rules say of it
        with self._database.read() as connection:
            rows = [row for row in connection.execute(select(digests).where(ready)) if _digest(row) in wanted]
        if not rows:
            return ()
        with self._database.write() as connection:
            for row in rows:
                if row.until is None:
                    fixed = update(digests).where(_is(_digest(row))).values(until=until[_digest(row)])
                    connection.execute(fixed)
        return [Due(wanted[_digest(row)], row.since, row.until or until[_digest(row)], row.attempts) for row in rows]

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

    def trend(self, digest: Digest, since: datetime, until: datetime) -> tuple[Figures, Figures]:
        """What came in a period, and in the one before."""
        with self._database.read() as connection:
            return trend(connection, digest, since, until)


def began(connection: Connection, digest: Digest) -> datetime | None:
    """When the period of a digest began that is under way; None where no router has planned it yet."""
    found: datetime | None = connection.scalar(select(digests.c.since).where(_is(digest)))
    return found


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
