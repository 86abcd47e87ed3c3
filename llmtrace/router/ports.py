"""What the router's parts need of each other, as small Protocols: clock, notifier, recall, store, records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Protocol

import aiohttp
from pydantic import BaseModel

from llmtrace.router.model import (
    Alert,
    AlertState,
    Attempt,
    Decision,
    Delivery,
    Destination,
    Group,
    GroupState,
    Incident,
    Place,
    Policy,
    Receipt,
    Turn,
)

Row = Mapping[str, object]
"""A row of the reading API, ready for JSON."""


class Clock(Protocol):
    """Who tells the time."""

    def now(self) -> datetime:
        """The present, aware of its zone."""


class Matching(Protocol):
    """A matcher."""

    def matches(self, labels: Mapping[str, str], measures: Mapping[str, str], /) -> bool:
        """Whether it holds."""


class Quieting(Protocol):
    """A silence."""

    @property
    def id(self) -> str:
        """Its name."""

    @property
    def ends_at(self) -> datetime:
        """When it is over."""

    def mutes(self, alert: Alert, now: datetime, /) -> bool:
        """Whether the alert is not to be told now."""


class Recall(Protocol):
    """What a decision may know of the past."""

    def state(self, route: str, fingerprint: str) -> AlertState | None:
        """What the route remembers of this fingerprint."""

    def group(self, key: str) -> GroupState | None:
        """When the group was last told and is due."""

    def incident(self, key: str) -> Incident | None:
        """The group's incident that is not resolved yet."""

    def turns(self, route: str, fingerprint: str, since: datetime) -> Sequence[Turn]:
        """What the route knew of this fingerprint since then, the oldest first."""

    def silences(self) -> Sequence[Quieting]:
        """Those that people made and that are not over."""

    def firing(self, matchers: Sequence[Matching]) -> Sequence[Alert]:
        """Alerts that fire now, whoever is told of them, and match."""


@dataclass(frozen=True, slots=True)
class Over:
    """An alert whose time is over on one of its routes, with what the route remembers."""

    alert: Alert
    route: str
    policy: Policy
    group: Group
    state: AlertState


@dataclass(frozen=True, slots=True)
class Waiting:
    """A new alert that waits for the message of its group, with what the route remembers."""

    alert: Alert
    route: str
    policy: Policy
    group: Group
    state: AlertState


class Decider(Protocol):
    """The pure decision, bound to a configuration and a moment."""

    def place(self, alert: Alert) -> Sequence[Place]:
        """Each route that applies with its group, at least one."""

    def decide(self, alert: Alert, recall: Recall, places: Sequence[Place] | None = None) -> Sequence[Decision]:
        """One decision for each of ``places``, which are those of ``place``."""

    def expire(self, over: Over, recall: Recall) -> Decision:
        """That an alert is over by itself."""

    def may_hold(self, recall: Recall) -> bool:
        """Whether there is anything that may hold an alert back."""

    def hold_back(self, waiting: Waiting, recall: Recall) -> Decision | None:
        """Why an alert is not told after all; None where nothing holds it back."""


class Notifier(Protocol):
    """One way to one destination."""

    async def send(self, delivery: Delivery) -> Receipt:
        """Make one attempt. Whatever goes wrong is a receipt, not an exception."""


class Enriching(Protocol):
    """Says more about an alert than its sender did."""

    async def enrich(self, delivery: Delivery) -> Delivery:
        """The same delivery with more in it. Whatever goes wrong, the delivery comes back, and soon."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How much a destination takes: ``burst`` at once, ``burst`` again in each ``period``."""

    burst: int
    period: timedelta


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a notifier may use of the world outside."""

    client: aiohttp.ClientSession
    clock: Clock
    external_url: str
    print: Callable[[str], None]
    acknowledge_url: Callable[[int], str]
    """The signed link by which a reader acknowledges an incident."""


def _no_key(_settings: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class NotifierKind:
    """A row of the table of notifiers: the settings that its receivers take, and how one is made of them."""

    settings: type[BaseModel]
    build: Callable[[Any, Toolbox], Notifier]
    rate: Rate | None = None
    rate_key: Callable[[Any], str] = _no_key
    """Receivers with the same key share the rate. It may be a secret: it is hashed before it is kept."""
    acknowledges: bool = False
    """Whether it tells that an incident was acknowledged."""
    coalesces: bool = False
    """Whether a newer message about a group replaces older ones that still wait."""
    escalates: bool = False
    """Whether the destination escalates by itself."""
    reacts_at: str = ""
    """The intake where its webhook tells what people do there: one for each kind that escalates."""
    tickets: bool = False
    """Whether it opens a ticket that stays until somebody closes it."""
    wakes: bool = True
    """Whether it may wake somebody: not so a chat, a mail or a ticket. A webhook may be anything; the console stands in
    for it."""
    warning: str = ""
    """What whoever uses it must know, such as when it ends."""


class StoreError(Exception):
    """The database could not do what it was asked; nothing of it was done."""


class UnfitError(StoreError):
    """The database refuses a value: the fault is the data's, and to try the same again would not help."""


Committed = Callable[[StoreError | None], None]
"""Is told that alerts are on disk, or why they are not."""


class Inbox(Protocol):
    """Where accepted alerts go."""

    async def accept(self, alerts: Sequence[Alert]) -> None:
        """Return once they are on disk.

        Raises:
            StoreError: where they are not; nothing was kept.
        """

    def put(self, alerts: Sequence[Alert], committed: Committed) -> None:
        """The same without waiting: ``committed`` is told, from the event loop."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Whom a turn can tell: all destinations, and those among them that hear of acknowledgements or coalesce."""

    destinations: Collection[Destination]
    acknowledging: Collection[Destination] = ()
    coalescing: Collection[Destination] = ()
    fallback: str | None = None
    """The receiver that is told what another one did not take."""
    fallback_after: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long what is over is kept."""

    alerts: timedelta = timedelta(days=30)
    audit: timedelta = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class SetAside:
    """What was set aside, in words, and the receipts among it, which are written by now."""

    problems: Sequence[str]
    written: Sequence[Attempt] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a turn came to: whether there may be more to do at once, what is to be sent, and when the next comes due."""

    more: bool
    claimed: Sequence[Delivery] = ()
    next_due: datetime | None = None


class Store(Protocol):
    """The durable side of the dispatcher. Each call is one transaction; all of them block and raise StoreError."""

    @property
    def undecided(self) -> int:
        """How many accepted alerts wait for their decision."""

    def retire(self, destinations: Collection[Destination], now: datetime) -> int:
        """End the deliveries to destinations that are not among these any more; returns how many."""

    def review(self, config_hash: str, now: datetime) -> None:
        """What other rules held back is decided again."""

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

        ``busy``: deliveries under way, without those of ``attempts``, which are written with all else. ``room``: how
        many may be sent to each destination; none goes out before an older one of its group.
        """

    def set_aside(
        self, decider: Decider, desk: Desk, now: datetime, limit: int, attempts: Sequence[Attempt] = ()
    ) -> SetAside:
        """After a fault of ``advance`` with these arguments that is none of the database's.

        What it cannot get past is set aside, so that nothing else suffers, and told without its particulars.
        """

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Write what became of deliveries."""

    def prune(self, retention: Retention, now: datetime) -> bool:
        """Take out some of what is over and too old; whether there may be more."""


@dataclass(frozen=True, slots=True)
class Oldest:
    """Since when the oldest notification is due, and the oldest delivery is under way; None where there is none."""

    due: datetime | None
    pending: datetime | None


@dataclass(frozen=True, slots=True)
class NoPage:
    """An alert that nobody was paged for: what stood in the way, in words, and the hash of the rules that decided."""

    alert: Alert
    rules: str
    why: Sequence[str]
    is_paging_route: bool
    """Whether a route that pages took it."""


class Records(Protocol):
    """The readable past, newest first, at most ``limit`` rows with an id below ``before``."""

    def alerts(self, limit: int, before: int | None) -> list[Row]:
        """What was accepted."""

    def decisions(self, limit: int, before: int | None) -> list[Row]:
        """What was decided, and why."""

    def deliveries(self, limit: int, before: int | None) -> list[Row]:
        """Who was told, and what the destination answered."""

    def incidents(self, limit: int, before: int | None) -> list[Row]:
        """What is or was open, and who reacted."""

    def explain(self, asked: str) -> list[str]:
        """Why somebody was told of an alert, or nobody; empty where there is no such alert."""

    def no_page(self, asked: str) -> NoPage | None:
        """The alert that is asked about, where nobody was paged for it."""

    def silences(self, limit: int, before: int | None) -> list[Row]:
        """What people silenced, the latest first."""

    def rollout(self, limit: int) -> list[Row]:
        """What rules did that wake nobody yet, the loudest first."""

    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many decisions there are by reason, deliveries and incidents by state, and what was set aside by kind."""

    def set_aside(self) -> Mapping[str, int]:
        """How much was set aside and is kept, by kind."""

    def oldest(self, now: datetime) -> Oldest:
        """What has waited longest.

        Raises:
            StoreError: where that cannot be read.
        """

    def ping(self) -> None:
        """Read one row.

        Raises:
            StoreError: where that fails.
        """
