"""The one loop: decide what came in, tell the groups that are due, deliver what is due, write what became of it.

It knows the order and nothing else. All that matters is in the store before and after each step, so that a process
may die anywhere: what was accepted is told by the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from llmtrace.router.config import RouterConfig
from llmtrace.router.decide import Deciding
from llmtrace.router.model import Attempt, Delivery, Destination, Outcome, Receipt
from llmtrace.router.notifiers.retry import settle
from llmtrace.router.ports import Clock, Desk, Notifier, Store, StoreError

BATCH: Final = 500
"""Alerts or groups in one transaction: the writer is never held for long."""
AT_ONCE: Final = 8
"""Deliveries under way to one destination."""
LONGEST_SLEEP: Final = timedelta(seconds=10)
"""The wall clock may be set; due times are looked at again at least this often."""
AFTER_ERROR: Final = timedelta(seconds=1)
GRACE: Final = 2.0
"""Seconds that deliveries under way get when the router stops."""

_log = logging.getLogger(__name__)


class Dispatcher:
    """Runs until it is stopped. ``jitter`` gives numbers from 0 to 1."""

    def __init__(
        self,
        config: RouterConfig,
        store: Store,
        notifiers: Mapping[Destination, Notifier],
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._config = config
        self._store = store
        self._notifiers = notifiers
        self._desk = Desk(list(notifiers))
        self._clock = clock
        self._jitter = jitter
        self._wake = asyncio.Event()
        self._stopping = False
        self._retired = False
        self._under_way: dict[int, tuple[Destination, asyncio.Task[None]]] = {}
        self._finished: list[Attempt] = []
        self.error: str | None = None
        """What is wrong, until a turn succeeds."""

    def wake(self) -> None:
        """There is something to do now."""
        self._wake.set()

    async def run(self) -> None:
        """Turn after turn, until ``stop``."""
        while not self._stopping:
            self._wake.clear()
            pause = await self._guarded_turn()
            try:
                async with asyncio.timeout(pause.total_seconds()):
                    await self._wake.wait()
            except TimeoutError:
                continue
        await self._finish()

    def stop(self) -> None:
        """Let ``run`` end: deliveries under way get a moment, the rest stays in the outbox for the next start."""
        self._stopping = True
        self.wake()

    async def turn(self) -> datetime | None:
        """Do all that is due, start what is to be sent; returns when the next thing comes due."""
        deliveries, due = await asyncio.to_thread(self._advance, self._clock.now())
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._under_way[delivery.id] = (delivery.destination, task)
        return due

    async def _guarded_turn(self) -> timedelta:
        try:
            due = await self.turn()
        except StoreError as error:
            return self._failed(f"the store failed: {error}", None)
        except Exception as error:  # noqa: BLE001 - the loop must outlive a fault of ours
            return self._failed(f"the dispatcher failed: {type(error).__name__}", error)
        self.error = None
        return LONGEST_SLEEP if due is None else min(max(due - self._clock.now(), timedelta(0)), LONGEST_SLEEP)

    def _failed(self, problem: str, fault: Exception | None) -> timedelta:
        """Say it once, not at every turn."""
        if problem != self.error:
            _log.error("%s; it is tried again every second", problem, exc_info=fault)
        self.error = problem
        return AFTER_ERROR

    async def _finish(self) -> None:
        tasks = [task for _, task in self._under_way.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        try:
            await asyncio.to_thread(self._write_finished)
        except StoreError as error:
            _log.error("the last receipts were not written, so their deliveries are made again: %s", error)

    def _advance(self, now: datetime) -> tuple[list[Delivery], datetime | None]:
        """All of a turn that blocks, in one thread, for it is a handful of short transactions."""
        if not self._retired:
            self._retire(now)
        self._write_finished()
        # In a storm the first pages go out before the last alert is decided.
        more = self._store.advance(Deciding(self._config, now), self._desk, list(self._under_way), now, BATCH)
        return self._claim(now), now if more else self._store.next_due(now)

    def _retire(self, now: datetime) -> None:
        retired = self._store.retire(list(self._notifiers), now)
        if retired:
            _log.error("%d deliveries of the last run end: their receivers are not configured any more", retired)
        self._retired = True

    def _claim(self, now: datetime) -> list[Delivery]:
        busy = Counter(destination for destination, _ in self._under_way.values())
        claimed: list[Delivery] = []
        for destination in self._notifiers:
            free = AT_ONCE - busy[destination]
            if free > 0:
                claimed += self._store.claim(destination, list(self._under_way), now, free)
        return claimed

    def _write_finished(self) -> None:
        attempts = list(self._finished)
        if attempts:
            self._store.record(attempts)
            del self._finished[: len(attempts)]
            for attempt in attempts:
                self._under_way.pop(attempt.delivery_id, None)

    async def _deliver(self, delivery: Delivery) -> None:
        receipt = await self._attempt(delivery)
        attempt = settle(delivery, receipt, self._clock.now(), self._jitter())
        _tell(delivery, attempt)
        self._finished.append(attempt)
        self.wake()

    async def _attempt(self, delivery: Delivery) -> Receipt:
        try:
            return await self._notifiers[delivery.destination].send(delivery)
        except Exception as error:  # noqa: BLE001 - a fault in one notifier must not stop the others
            _log.exception("notifier %s failed", delivery.destination.notifier)
            return Receipt(Outcome.RETRY, type(error).__name__)


def _tell(delivery: Delivery, attempt: Attempt) -> None:
    """In the log: what did not arrive, at its first attempt and at its last."""
    receiver, outcome = delivery.destination.receiver, attempt.receipt.outcome
    if outcome is Outcome.RETRY and delivery.attempts == 0:
        _log.warning("receiver %s: %s; delivery %d is tried again", receiver, attempt.receipt.detail, delivery.id)
    elif outcome not in (Outcome.RETRY, Outcome.DELIVERED):
        _log.error("receiver %s: %s (%s); delivery %d ends", receiver, outcome, attempt.receipt.detail, delivery.id)
