"""Runs one test of rules: the real decision, store and outbox on a virtual clock; only nothing is sent."""

from __future__ import annotations

import heapq
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from llmtrace.router.config import RouteNode, RouterConfig
from llmtrace.router.config.cases import ActGiven, AlertGiven, Case, Moment, SilenceGiven
from llmtrace.router.decide import Deciding
from llmtrace.router.enrichment.lookup import look_up
from llmtrace.router.matchers import Silence
from llmtrace.router.model import (
    ALERTNAME,
    Alert,
    Attempt,
    Delivery,
    IncidentState,
    Notification,
    Outcome,
    Phase,
    Reason,
    Receipt,
    Status,
    Tier,
)
from llmtrace.router.notifiers.desk import desk_of
from llmtrace.router.rehearsal.digests import Bundled, bundled
from llmtrace.router.store.database import Database
from llmtrace.router.store.records import SqlRecords
from llmtrace.router.store.sql import SqlStore

BATCH: Final = 500
_MOST_DECISIONS: Final = 100_000


@dataclass(frozen=True, slots=True)
class Told:
    """A message as the receivers would have had it, ``at`` so long after the start."""

    at: timedelta
    receivers: tuple[str, ...]
    tier: Tier
    reason: Reason
    phase: Phase
    step: int
    alerts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, ``at`` so long after the start."""

    at: timedelta
    alert: str
    route: str
    tier: Tier
    reason: Reason


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """All that came of a test, in the order of time."""

    told: tuple[Told, ...]
    decided: tuple[Decided, ...]
    digests: tuple[Bundled, ...] = ()


def rehearse(case: Case, config: RouterConfig) -> Rehearsed:
    """Play the case from its start to its end."""
    with tempfile.TemporaryDirectory(prefix="llmtrace-test-") as folder:
        database = Database(Path(folder) / "router.db")
        try:
            return _Stage(case, config, database).play()
        finally:
            database.close()


class _Stage:
    """One case under way."""

    def __init__(self, case: Case, config: RouterConfig, database: Database) -> None:
        self._case = case
        self._config = config
        self._database = database
        self._store, self._records = SqlStore(database), SqlRecords(database)
        self._desk = desk_of(config)
        self._now = case.start
        self._sent: dict[str, tuple[Notification, timedelta, list[str]]] = {}

    def play(self) -> Rehearsed:
        """Every moment at which something happens or comes due, in order."""
        end = self._case.start + _length(self._case, self._config)
        inputs = list(self._inputs())
        heapq.heapify(inputs)
        while True:
            while inputs and inputs[0][0] <= self._now:
                heapq.heappop(inputs)[2]()
            times = (self._settle(), inputs[0][0] if inputs else None)
            due = [at for at in times if at is not None]
            if not due or min(due) > end:
                digests = bundled(self._config, self._database, self._case.start, end)
                return Rehearsed(self._told(), self._decided(), digests)
            self._now = min(due)

    def _inputs(self) -> Iterator[tuple[datetime, int, Callable[[], None]]]:
        """What happens when; at one moment silences come before alerts, and these before acts."""
        given: list[Moment] = [*self._case.silences, *_repeated(self._case.alerts), *self._case.acts]
        for number, each in enumerate(given):
            yield self._case.start + each.at, number, partial(self._happen, each)

    def _happen(self, given: Moment) -> None:
        if isinstance(given, AlertGiven):
            self._store.accept([look_up(_alert(given, self._now), self._config.lookup)], self._now)
        elif isinstance(given, SilenceGiven):
            over, name = self._now + given.lasts, f"silence-{given.at}-{','.join(map(str, given.matchers))}"[:32]
            self._store.silence(Silence(name, tuple(given.matchers), self._now, over, given.by, ""), self._now)
        elif isinstance(given, ActGiven):
            self._settle()
            for incident in self._open(given.alert):
                self._store.act(incident, given.act, given.by, self._desk, self._now)

    def _open(self, name: str | None) -> list[int]:
        rows = self._records.incidents(BATCH, None)
        live = {int(str(row["id"])) for row in rows if row["state"] != IncidentState.RESOLVED}
        about: dict[int, set[str]] = defaultdict(set)
        for notification, _, _ in self._sent.values():
            if notification.incident_id in live:
                about[notification.incident_id] |= {alert.name for alert in notification.alerts}
        return sorted(incident for incident, names in about.items() if name is None or name in names)

    def _settle(self) -> datetime | None:
        """Do all that is due now, as the dispatcher does; every destination takes what it is given. What is next?"""
        deciding, room = Deciding(self._config, self._now), dict.fromkeys(self._desk.destinations, BATCH)
        attempts: list[Attempt] = []
        while True:
            done = self._store.advance(deciding, self._desk, (), self._now, BATCH, attempts, room)
            attempts = [self._deliver(delivery) for delivery in done.claimed]
            if not done.more and not attempts:
                return done.next_due

    def _deliver(self, delivery: Delivery) -> Attempt:
        notification, receiver = delivery.notification, delivery.destination.receiver
        _, _, receivers = self._sent.setdefault(notification.id, (notification, self._now - self._case.start, []))
        if receiver not in receivers:
            receivers.append(receiver)
        return Attempt(delivery.id, Receipt(Outcome.DELIVERED, "rehearsed"), self._now, None)

    def _told(self) -> tuple[Told, ...]:
        return tuple(
            Told(
                at=at,
                receivers=tuple(receivers),
                tier=notification.tier,
                reason=notification.reason,
                phase=notification.phase,
                step=notification.escalation_step,
                alerts=tuple(alert.name for alert in notification.alerts),
            )
            for notification, at, receivers in self._sent.values()
        )

    def _decided(self) -> tuple[Decided, ...]:
        rows = self._records.decisions(_MOST_DECISIONS, None)
        return tuple(
            Decided(
                at=datetime.fromisoformat(str(row["decided_at"])) - self._case.start,
                alert=str(row["labels"][ALERTNAME]),  # type: ignore[index]
                route=str(row["route"]),
                tier=Tier(str(row["tier"])),
                reason=Reason(str(row["reason"])),
            )
            for row in reversed(rows)
        )


def _repeated(alerts: list[AlertGiven]) -> Iterator[AlertGiven]:
    for given in alerts:
        for number in range(given.times):
            yield given.model_copy(update={"at": given.at + number * given.every})


def _alert(given: AlertGiven, now: datetime) -> Alert:
    over = now if given.status is Status.RESOLVED else None if given.lasts is None else now + given.lasts
    return Alert(given.labels, given.annotations, now, given.status, over)


def _length(case: Case, config: RouterConfig) -> timedelta:
    if case.until is not None:
        return case.until
    alerts = [given.at for given in _repeated(case.alerts)]
    others: list[Moment] = [*case.acts, *case.silences, *case.expect, *case.decisions]
    named = [each.at for each in others]
    longest = max((_longest(node) for node in config.routes), default=timedelta(0))
    return max([*alerts, *named, *(at + longest for at in alerts)], default=timedelta(0))


def _longest(node: RouteNode) -> timedelta:
    """How long a message of this route or below may wait; a digest's does not count."""
    waits = [
        max(policy.group_wait, policy.group_interval)
        for tier, policy in node.policies.items()
        if tier is not Tier.DIGEST
    ]
    return max([*waits, *(_longest(child) for child in node.children)], default=timedelta(0))
