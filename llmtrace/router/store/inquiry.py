"""An inquiry: a turn has failed, and no database is to blame. What can it not get past? That is set aside.

What is set aside is told by an alert that stands in for it, which takes the way of all alerts, so that it is as sure to
arrive as they are. Where no such alert could be told either, the fault is not that of a row: nothing is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, update

from llmtrace.router.model import ALERTNAME, UNDECIDABLE, Alert, Attempt, Receipt, plain_labels
from llmtrace.router.ports import SetAside, StoreError, UnfitError
from llmtrace.router.store import outbox, quarantine, repair
from llmtrace.router.store.advance import Work, advance
from llmtrace.router.store.aside import MOST, Aside, culprits, first_that_works, nameless, works
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.database import Database
from llmtrace.router.store.inbox import Entry
from llmtrace.router.store.quarantine import Kind
from llmtrace.router.store.schema import groups
from llmtrace.router.store.suspects import EVERY, INCIDENTS, Key, Suspects
from llmtrace.router.store.unreadable import stand_in
from llmtrace.semconv.alert import Severity

SET_ASIDE = "set_aside"
"""A label of what stands in for a row: its kind. So it is no repetition of the alert whose labels it has."""


class Inquiry:
    """Of one turn that failed."""

    def __init__(self, database: Database, work: Work, now: datetime) -> None:
        self._database = database
        self._work = work
        self._now = now

    def run(self, aside: Aside, entries: Sequence[Entry], attempts: Sequence[Attempt]) -> SetAside:
        """Set aside what is at fault.

        Raises:
            StoreError: the database failed after all.
        """
        mended = self._mended()
        if mended:
            return SetAside(mended)
        if not works(nameless(Severity.INFO.value, "", self._now), self.trial, self._now):
            return SetAside(())
        written = self._receipts(attempts)
        problems = [f"receipt of delivery {each.delivery_id}" for each in written]
        for suspects in EVERY:
            problems += islice(self._rows(suspects), MOST)
        return SetAside([*problems, *aside.look(entries, self.trial, self._now)], written)

    def trial(
        self,
        entries: Sequence[Entry] = (),
        attempts: Sequence[Attempt] = (),
        suspects: Suspects | None = None,
        keys: Sequence[Key] = (),
    ) -> Exception | None:
        """Make a turn with nothing but this, and undo it; what went wrong."""
        try:
            with self._database.trial() as connection:
                for each in EVERY:
                    each.let_rest(connection, self._now, keys if each is suspects else ())
                self._turn(connection, entries, attempts)
                if entries:  # whatever they wait for: they must be told one day
                    connection.execute(update(groups).where(groups.c.due_at > self._now).values(due_at=self._now))
                    self._turn(connection, (), ())
        except UnfitError as fault:
            return fault
        except StoreError:
            raise
        except Exception as fault:  # noqa: BLE001 - that is what is looked for
            return fault
        return None

    def _turn(self, connection: Connection, entries: Sequence[Entry], attempts: Sequence[Attempt]) -> None:
        advance(connection, self._work, entries, attempts, AuditTrail(connection, self._now), self._now)

    def _mended(self) -> list[str]:
        """Rows that cannot be read, but for which there is a reading that loses nobody's page."""
        with self._database.read() as connection:
            found = [
                (row, fault, INCIDENTS.labels(connection, (row.id,)))
                for row, fault in islice(repair.unreadable_incidents(connection), MOST)
            ]
        said = []
        for row, fault, labels in found:
            what, why = f"incident {row.id}, which escalates no further", type(fault).__name__
            self._database.inbox.append([next(_instead(Kind.INCIDENT, what, why, labels, self._now))], self._now)
            with self._writing() as (connection, trail):
                repair.mend_incident(connection, row)
                quarantine.put(connection, trail, Kind.INCIDENT, what, why, self._now)
            said.append(f"{what}: {why}")
        with self._writing() as (connection, trail):
            states = repair.mend_states(connection)
            if states:
                what = f"{states} states, of which it is not known how bad they are"
                quarantine.put(connection, trail, Kind.STATE, what, "ValueError", self._now)
                said.append(what)
        return said

    @contextmanager
    def _writing(self) -> Iterator[tuple[Connection, AuditTrail]]:
        with self._database.write() as connection:
            trail = AuditTrail(connection, self._now)
            yield connection, trail
            trail.write()

    def _receipts(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those that cannot be written are written without what the destination said."""
        found = list(islice(culprits(attempts, lambda some: self.trial(attempts=some)), MOST))
        for attempt, fault in found:
            receipt = Receipt(attempt.receipt.outcome, type(fault).__name__)
            instead = replace(attempt, receipt=receipt, set_aside="")
            with self._writing() as (connection, trail):
                outbox.record(connection, [instead], trail)
                what = f"receipt of delivery {attempt.delivery_id}"
                quarantine.put(connection, trail, Kind.RECEIPT, what, type(fault).__name__, self._now)
        return [attempt for attempt, _ in found]

    def _rows(self, suspects: Suspects) -> Iterator[str]:
        with self._database.read() as connection:
            keys = suspects.keys(connection, self._now)
        for key, fault in culprits(keys, lambda some: self.trial(suspects=suspects, keys=some)):
            what, why = suspects.what.format(*key), type(fault).__name__
            with self._database.read() as connection:
                labels = suspects.labels(connection, key)
            instead = first_that_works(_instead(suspects.kind, what, why, labels, self._now), self.trial, self._now)
            if instead is not None:
                self._give_up(suspects, key, instead, what, why)
                yield f"{what}: {why}"

    def _give_up(self, suspects: Suspects, key: Key, instead: Alert, what: str, why: str) -> None:
        # First what is told: a process that dies between the two tells it twice, and not never.
        self._database.inbox.append([instead], self._now)
        with self._writing() as (connection, trail):
            suspects.give_up(connection, key, self._now)
            quarantine.put(connection, trail, suspects.kind, what, why, self._now)


def _instead(kind: Kind, what: str, why: str, labels: Sequence[object], now: datetime) -> Iterator[Alert]:
    """Alerts that may tell of a row, the best first: by the labels of the worst alert that it is about."""
    told = f"the router cannot deal with {what} ({why}), and has set it aside"
    found = [stand_in(each, told, now) for each in labels]
    if found:
        worst = min(found, key=lambda each: each.severity.rank)
        yield replace(worst, labels={**worst.labels, SET_ASIDE: kind.value})
        told = f"{told}; it is about {worst.name!r}"
        yield stand_in({**plain_labels(worst.labels), ALERTNAME: UNDECIDABLE, SET_ASIDE: kind.value}, told, now)
    yield nameless("", f"{what}: {why}", now)
