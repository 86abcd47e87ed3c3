"""The dispatcher's store in SQL: inbox, decisions, groups, incidents and the outbox. Each method is one transaction."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from llmtrace.router.matchers import Silence
from llmtrace.router.model import Act, Alert, Attempt, Change, Destination
from llmtrace.router.ports import Decider, Desk, Progress, Retention, SetAside
from llmtrace.router.store import changes as change_book
from llmtrace.router.store import incidents as incident_book
from llmtrace.router.store import outbox, pruning, quarantine
from llmtrace.router.store import silences as silence_book
from llmtrace.router.store.advance import Work, advance
from llmtrace.router.store.aside import Aside
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.database import Database
from llmtrace.router.store.due import next_due
from llmtrace.router.store.inbox import Entry, Inbox
from llmtrace.router.store.inquiry import Inquiry
from llmtrace.router.store.quarantine import Kind
from llmtrace.router.store.schema import about, decisions, states, tails
from llmtrace.router.store.statement import Statement

_log = logging.getLogger(__name__)

_DONE: Final = Statement(select(about.c.inbox_done))
_SET_DONE: Final = Statement(update(about).values(inbox_done=bindparam("done")))


class SqlStore:
    """What the inbox, the dispatcher and people write and read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._aside = Aside()
        self._newest_change: datetime | None = None
        self._knows_changes = False

    def accept(self, accepted: Sequence[Alert], now: datetime) -> None:
        """Put alerts into the inbox."""
        self._database.inbox.append(accepted, now)

    @property
    def undecided(self) -> int:
        """How many accepted alerts wait for their decision."""
        return self._database.inbox.undecided

    def retire(self, destinations: Collection[Destination], now: datetime) -> int:
        """End the deliveries to destinations that are not among these any more; returns how many."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            count = outbox.retire(connection, destinations, trail, now)
            trail.write()
        return count

    def review(self, config_hash: str, now: datetime) -> None:
        """What other rules held back is decided again."""
        others = select(decisions.c.id).where(
            decisions.c.id == states.c.decision_id, decisions.c.config_hash != config_hash
        )
        with self._database.write() as connection:
            held = states.c.held_by.is_not(None) & others.exists()
            connection.execute(update(states).where(held).values(held_until=now))

    def advance(
        self,
        decider: Decider,
        desk: Desk,
        busy: Collection[int],
        now: datetime,
        limit: int,
        attempts: Sequence[Attempt] = (),
        room: Mapping[Destination, int] = MappingProxyType({}),
    ) -> Progress:
        """Decide, expire, escalate and notify what is due, at most ``limit`` of each.

        What became of deliveries is written with it, and what is to be sent is found: one wait for the disk.
        """
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            taken = _take(connection, self._database.inbox, self._aside, trail, now, limit)
            work = Work(decider, desk, busy, limit)
            more = advance(connection, work, taken.entries, attempts, trail, now) or taken.alerts >= limit
            claimed = [
                delivery
                for destination, free in room.items()
                for delivery in outbox.claim(connection, destination, busy, now, free)
            ]
            progress = Progress(more, claimed, next_due(connection, now))
        if taken.entries:
            self._aside.decided(taken.entries[-1].id)
            self._database.inbox.decided(taken.entries[-1].id, taken.alerts)
        return progress

    def set_aside(
        self, decider: Decider, desk: Desk, now: datetime, limit: int, attempts: Sequence[Attempt] = ()
    ) -> SetAside:
        """After a fault: what it comes from is set aside, and told without its particulars."""
        with self._database.read() as connection:
            done = int(_DONE.scalar(connection))
        entries = list(self._database.inbox.read(done, limit))
        return Inquiry(self._database, Work(decider, desk, (), limit), now).run(self._aside, entries, attempts)

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Write what became of deliveries."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, attempts[-1].at)
            outbox.record(connection, attempts, trail)
            trail.write()

    def act(self, incident_id: int, act: Act, who: str, desk: Desk, now: datetime) -> bool | None:
        """Acknowledge or resolve; False where it was so already, None where there is no such incident."""
        with self._database.write() as connection:
            return incident_book.act(connection, incident_id, act, who, desk, now)

    def incident_of(self, dedup_key: str, at: datetime) -> int | None:
        """The incident that a destination knew by this key then, where it is not resolved."""
        with self._database.read() as connection:
            return incident_book.of_group(connection, dedup_key, at)

    def silence(self, silence: Silence, now: datetime) -> None:
        """Keep a new one."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            silence_book.add(connection, silence, trail, now)
            trail.write()

    def end_silence(self, identifier: str, who: str, now: datetime) -> bool:
        """End one now. False where there is none that is not over."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            ended = silence_book.end(connection, identifier, who, trail, now)
            trail.write()
        return ended

    def keep_changes(self, changes: Sequence[Change], now: datetime) -> None:
        """Deploys and the like."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            change_book.add(connection, changes, trail)
            trail.write()
        self._knows_changes = False  # it is read when somebody asks

    def newest_change(self) -> datetime | None:
        """When the last change was made, as far as this process must care; read from the database once."""
        if not self._knows_changes:
            with self._database.read() as connection:
                self._newest_change = change_book.newest(connection)
            self._knows_changes = True
        return self._newest_change

    def changes(self, since: datetime, until: datetime) -> list[Change]:
        """Between two times, the newest first."""
        with self._database.read() as connection:
            return change_book.between(connection, since, until)

    def tail(self, name: str) -> int | None:
        """How far a source was read that is asked; None: never."""
        with self._database.read() as connection:
            found = connection.scalar(select(tails.c.last).where(tails.c.name == name))
        return None if found is None else int(found)

    def keep_tail(self, name: str, last: int) -> None:
        """It was read so far."""
        with self._database.write() as connection:
            if connection.execute(update(tails).where(tails.c.name == name).values(last=last)).rowcount == 0:
                connection.execute(insert(tails).values(name=name, last=last))

    def note(self, kind: str, body: Mapping[str, Any], now: datetime) -> None:
        """An entry of the audit trail that is no decision, such as a change of the rules."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            trail.add(kind, body)
            trail.write()

    def prune(self, retention: Retention, now: datetime) -> bool:
        """Take out some of what is over and too old; whether there may be more."""
        with self._database.write() as connection:
            trail = AuditTrail(connection, now)
            more = pruning.prune(connection, retention, trail, now)
            trail.write()
        return more


@dataclass(frozen=True, slots=True)
class _Taken:
    """Entries of the inbox that are decided in this turn, and how many alerts they hold."""

    entries: Sequence[Entry]
    alerts: int


def _take(connection: Connection, inbox: Inbox, aside: Aside, trail: AuditTrail, now: datetime, limit: int) -> _Taken:
    """The oldest entries of the inbox, marked as decided."""
    done = int(_DONE.scalar(connection))
    entries = []
    for each in inbox.read(done, limit):
        entry, problems = aside.replaced(each)
        entries.append(entry)
        for problem in problems:
            quarantine.put(connection, trail, Kind.ALERT, f"an alert of entry {each.id}", problem, now)
        if each.problem:
            _log.error("entry %d of the inbox cannot be read (%s): %d alerts", each.id, each.problem, each.counted)
            quarantine.put(connection, trail, Kind.ENTRY, f"entry {each.id}", each.problem, now, each.body)
    if entries:
        _SET_DONE.run(connection, done=entries[-1].id)
    return _Taken(entries, sum(entry.counted for entry in entries))
