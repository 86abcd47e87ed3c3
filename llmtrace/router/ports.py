"""What the router's parts need of each other, as small Protocols: clock, notifier, stage, recall, store."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import httpx
from pydantic import BaseModel

from llmtrace.router.model import Alert, Attempt, Candidate, Decision, Delivery, Destination, GroupState, Receipt, Told

Row = Mapping[str, object]
"""A row of the reading API, ready for JSON."""


class Clock(Protocol):
    """Who tells the time."""

    def now(self) -> datetime:
        """The present, aware of its zone."""


class Stage(Protocol):
    """One look at a candidate: returns it as it is, or with another reason."""

    def __call__(self, candidate: Candidate, /) -> Candidate:
        """Judge it, without I/O."""


class Recall(Protocol):
    """What a decision may know of the past."""

    def told(self, route: str, fingerprint: str) -> Told | None:
        """What the route last told about this fingerprint."""

    def group(self, key: str) -> GroupState | None:
        """When the group was last told and is due."""


Decider = Callable[[Alert, Recall], Sequence[Decision]]


class Notifier(Protocol):
    """One way to one destination."""

    async def send(self, delivery: Delivery) -> Receipt:
        """Make one attempt. Whatever goes wrong is a receipt, not an exception."""


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What a notifier may use of the world outside."""

    client: httpx.AsyncClient
    clock: Clock
    external_url: str
    print: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class NotifierKind:
    """A row of the table of notifiers: the settings that its receivers take, and how one is made of them."""

    settings: type[BaseModel]
    build: Callable[[Any, Toolbox], Notifier]


class Inbox(Protocol):
    """Where accepted alerts go."""

    async def accept(self, alerts: Sequence[Alert]) -> None:
        """Return once they are on disk.

        Raises:
            StoreError: where they are not; nothing was kept.
        """


class StoreError(Exception):
    """The database could not do what it was asked; nothing of it was done."""


class Store(Protocol):
    """The durable side of the dispatcher. Each call is one transaction; all of them block and raise StoreError."""

    def retire(self, destinations: Collection[Destination], now: datetime) -> int:
        """End the deliveries to destinations that are not among these any more; returns how many."""

    def decide(self, decider: Decider, now: datetime, limit: int) -> int:
        """Decide the oldest undecided alerts, at most ``limit``; returns how many."""

    def flush(self, destinations: Collection[Destination], now: datetime, limit: int) -> int:
        """Turn at most ``limit`` groups that are due into a notification each, with a delivery to each destination."""

    def claim(self, destination: Destination, busy: Collection[int], now: datetime, limit: int) -> list[Delivery]:
        """Deliveries that are due, without those in ``busy``, and none before an older one of its group."""

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Write what became of deliveries."""

    def next_due(self, now: datetime) -> datetime | None:
        """When the next group or delivery comes due, after ``now``."""


class Records(Protocol):
    """The readable past, newest first, at most ``limit`` rows with an id below ``before``."""

    def alerts(self, limit: int, before: int | None) -> list[Row]:
        """What was accepted."""

    def decisions(self, limit: int, before: int | None) -> list[Row]:
        """What was decided, and why."""

    def deliveries(self, limit: int, before: int | None) -> list[Row]:
        """Who was told, and what the destination answered."""

    def ping(self) -> None:
        """Read one row.

        Raises:
            StoreError: where that fails.
        """
