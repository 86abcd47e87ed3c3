"""A real database in a folder, and a dispatcher over it whose notifiers keep what they are given."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from router_values import ManualClock
from sqlalchemy import select

from llmtrace.router.decide import Deciding
from llmtrace.router.dispatcher import Dispatcher
from llmtrace.router.model import Delivery, Outcome, Receipt
from llmtrace.router.notifiers.desk import desk_of
from llmtrace.router.ports import Desk
from llmtrace.router.store.database import Database
from llmtrace.router.store.records import SqlRecords
from llmtrace.router.store.schema import handles
from llmtrace.router.store.shown import SqlShown
from llmtrace.router.store.sql import SqlStore
from llmtrace.router.web.acts import Counter
from llmtrace.router.web.links import SignedLinks

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from llmtrace.router.config import RouterConfig
    from llmtrace.router.model import Act, Alert, Destination, Notification

DELIVERED = Receipt(Outcome.DELIVERED, "ok")


async def no_reload() -> str | None:
    """Where rules are not read again."""
    return None


class KeepingNotifier:
    """Keeps each delivery; answers with ``receipts`` first, then with success."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.receipts: list[Receipt | Exception] = []

    @property
    def notifications(self) -> list[Notification]:
        return [delivery.notification for delivery in self.deliveries]

    async def send(self, delivery: Delivery) -> Receipt:
        self.deliveries.append(delivery)
        receipt = self.receipts.pop(0) if self.receipts else DELIVERED
        if isinstance(receipt, Exception):
            raise receipt
        return receipt


class World:
    """Store, clock and notifiers of one router, turned by hand."""

    def __init__(self, config: RouterConfig, database: Database, clock: ManualClock) -> None:
        self.config, self.clock, self._database = config, clock, database
        self.store, self.records = SqlStore(database), SqlRecords(database)
        self.notifiers = {destination: KeepingNotifier() for destination in config.destinations}

    def accept(self, *alerts: Alert) -> None:
        self.store.accept(alerts, self.clock.now())

    def sent(self, receiver: str) -> list[Notification]:
        """What the receiver's notifiers were given, in order."""
        return [
            notification
            for destination, notifier in self.notifiers.items()
            if destination.receiver == receiver
            for notification in notifier.notifications
        ]

    def handles(self) -> list[str]:
        """What destinations call their messages."""
        with self._database.read() as connection:
            return list(connection.scalars(select(handles.c.handle)))

    def shown(self) -> SqlShown:
        """What the page reads."""
        return SqlShown(self._database)

    def counter(self) -> Counter:
        """What the web side acts by."""
        links = SignedLinks(b"k" * 32, "http://router", self.clock.now)
        return Counter(self.store, self.clock, links, lambda: None)

    def act(self, incident_id: int, act: Act, who: str) -> bool | None:
        """What a person does."""
        return self.store.act(incident_id, act, who, desk_of(self.config), self.clock.now())

    def turn_store(self, destinations: Collection[Destination]) -> None:
        """Decide and notify, without delivering."""
        now = self.clock.now()
        self.store.advance(Deciding(self.config, now), Desk(destinations), (), now, 100)

    def turn(self, **by: float) -> None:
        """Move the clock, then do all that is due by then, the writing of receipts included."""
        self.clock.move(**by)
        asyncio.run(self._turn())

    async def _turn(self) -> None:
        dispatcher = Dispatcher(self.config, self.store, self.notifiers, self.clock, lambda: 1.0)
        due = await dispatcher.turn()
        while dispatcher._under_way or due == self.clock.now():
            await asyncio.gather(*(task for _, task in dispatcher._under_way.values()))
            due = await dispatcher.turn()


@contextmanager
def world_of(config: RouterConfig, clock: ManualClock | None = None) -> Iterator[World]:
    """Open the configured store."""
    database = Database(config.store)
    try:
        yield World(config, database, clock or ManualClock())
    finally:
        database.close()


def told(world: World) -> dict[str, str | None]:
    """Name -> reason of each alert that anybody was told."""
    sent = [each for notifier in world.notifiers.values() for each in notifier.notifications]
    return {alert.name: alert.annotations.get("reason") for each in sent for alert in each.alerts}


def turns(world: World, times: int = 4) -> Dispatcher:
    """As many guarded turns, with what they send."""
    dispatcher = Dispatcher(world.config, world.store, world.notifiers, world.clock, lambda: 1.0)

    async def scenario() -> None:
        for _ in range(times):
            world.clock.move(minutes=10)
            await dispatcher._guarded_turn()
            await asyncio.gather(*(task for _, task in dispatcher._under_way.values()))

    asyncio.run(scenario())
    return dispatcher
