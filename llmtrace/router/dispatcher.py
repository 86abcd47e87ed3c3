"""The one loop: decide what came in, tell the groups that are due, deliver what is due, write what became of it.

It knows the order and nothing else. All that matters is in the store before and after each step, so that a process
may die anywhere: what was accepted is told by the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Final, ParamSpec, TypeVar

from llmtrace.router.attempting import make_attempt
from llmtrace.router.config import RouterConfig
from llmtrace.router.decide import Deciding
from llmtrace.router.faults import way, where
from llmtrace.router.model import Attempt, Delivery, Destination, Outcome, Receipt
from llmtrace.router.notifiers.desk import desk_of, paces_of
from llmtrace.router.notifiers.retry import settle
from llmtrace.router.ports import Clock, Enriching, Notifier, Store, StoreError, UnfitError

BATCH: Final = 500
"""Alerts or groups in one transaction: the writer is never held for long."""
AT_ONCE: Final = 32
"""Deliveries under way to one destination."""
LONGEST_SLEEP: Final = timedelta(seconds=10)
"""The wall clock may be set; due times are looked at again at least this often."""
PRUNE_FIRST: Final = timedelta(minutes=1)
"""After the start, which may follow a failure: what waits is told before anything is tidied up."""
PRUNE_EVERY: Final = timedelta(minutes=10)
PRUNE_ON: Final = timedelta(seconds=1)
"""While there is more of what is too old."""
AFTER_ERROR: Final = timedelta(seconds=1)
SMALL_BATCH: Final = 100
"""The same while alerts pour in: who sends them must not wait for who decides."""
BUSY: Final = 4
"""Commits during one turn, beyond which alerts may pour in."""
POURING: Final = 500
"""Alerts a second, beyond which they do; then turns are small, with a pause after each."""
BREATH: Final = 8.0
"""How many times as long as the turn such a pause is."""
LONGEST_BREATH: Final = 0.4
"""Seconds."""
LATE: Final = 20_000
"""Undecided alerts, beyond which deciding gets half of the time, however many pour in."""
RECEIPTS: Final = 0.02
"""Seconds after which a receipt is written, if no turn was made meanwhile."""
GRACE: Final = 2.0
"""Seconds that deliveries under way get when the router stops."""

P = ParamSpec("P")
T = TypeVar("T")

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
        self._desk = desk_of(config)
        self._paces = paces_of(config)
        self._clock = clock
        self._jitter = jitter
        self._wake = asyncio.Event()
        self._stopping = False
        self._retired = False
        self._commits = 0
        self._pouring = False
        self._prune_at: datetime | None = None
        self._next: tuple[RouterConfig, Mapping[Destination, Notifier]] | None = None
        self._under_way: dict[int, tuple[Destination, asyncio.Task[None]]] = {}
        self._finished: list[Attempt] = []
        # Of its own: whatever hangs in the threads that others share must not keep alerts from being told.
        self._thread = ThreadPoolExecutor(1, "llmtrace-turn")
        self.enricher: Enriching | None = None
        """Who says more about an alert than its sender did."""
        self.error: str | None = None
        """What is wrong, until a turn succeeds."""
        self._unsought: str | None = None

    def wake(self) -> None:
        """There is something to do now."""
        self._wake.set()

    def reconfigure(self, config: RouterConfig, notifiers: Mapping[Destination, Notifier]) -> None:
        """Other rules, from the next turn on. Deliveries under way end as they began."""
        self._next = (config, notifiers)
        self.wake()

    def accepted(self) -> None:
        """A commit has brought alerts."""
        self._commits += 1
        self.wake()

    async def run(self) -> None:
        """Turn after turn, until ``stop``."""
        while not self._stopping:
            self._wake.clear()
            self._commits = 0
            began = monotonic()
            pause = await self._guarded_turn()
            took, waiting = monotonic() - began, self._store.undecided
            self._pouring = self._commits > BUSY and waiting > POURING * took
            if self._pouring:
                await asyncio.sleep(min(took if waiting > LATE else BREATH * took, LONGEST_BREATH))
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
        self._take_over()
        deliveries, due = await self._in_thread(self._advance, self._clock.now())
        for delivery in deliveries:
            task = asyncio.create_task(self._deliver(delivery))
            self._under_way[delivery.id] = (delivery.destination, task)
        return due

    def _take_over(self) -> None:
        if self._next is not None:
            self._config, self._notifiers = self._next
            self._desk, self._paces = desk_of(self._config), paces_of(self._config)
            self._next, self._retired = None, False

    async def _guarded_turn(self) -> timedelta:
        try:
            due = await self.turn()
        except UnfitError as error:
            pause = self._failed(f"the store refuses a value: {where(error.__cause__ or error)}", error)
            return timedelta(0) if await self._set_aside() else pause
        except StoreError as error:
            return self._failed(f"the store failed: {error}", None)
        except Exception as error:  # noqa: BLE001 - the loop must outlive a fault of ours
            pause = self._failed(f"the dispatcher failed: {where(error)}", error)
            return timedelta(0) if await self._set_aside() else pause
        self.error = self._unsought = None
        return LONGEST_SLEEP if due is None else min(max(due - self._clock.now(), timedelta(0)), LONGEST_SLEEP)

    async def _set_aside(self) -> bool:
        """Whether the fault comes from something that will not be met as it is again."""
        deciding, attempts = Deciding(self._config, self._clock.now()), list(self._finished)
        try:
            found = await self._in_thread(self._store.set_aside, deciding, self._desk, deciding.now, BATCH, attempts)
        except Exception as error:  # noqa: BLE001 - as above; it is the same fault, or the store's
            said = where(error)
            if said != self._unsought:
                _log.error("what is at fault cannot be found: %s", said)
            self._unsought = said
            return False
        for attempt in found.written:
            self._finished.remove(attempt)
            self._under_way.pop(attempt.delivery_id, None)
        for problem in found.problems:
            _log.error("set aside, and told without its particulars: %s", problem)
        return bool(found.problems)

    def _failed(self, problem: str, fault: Exception | None) -> timedelta:
        """Say it once, not at every turn."""
        if problem != self.error:
            _log.error("%s; it is tried again every second%s", problem, way(fault))
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
            await self._in_thread(self._write_finished)
        except StoreError as error:
            _log.error("the last receipts were not written, so their deliveries are made again: %s", error)

    async def _in_thread(self, work: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *arguments, **named))

    def _advance(self, now: datetime) -> tuple[Sequence[Delivery], datetime | None]:
        """All of a turn that blocks, in one thread, for it is a handful of short transactions."""
        if not self._retired:
            self._retire(now)
        # In a storm the first pages go out before the last alert is decided.
        limit = SMALL_BATCH if self._pouring else BATCH
        finished = list(self._finished)
        over = {attempt.delivery_id for attempt in finished}
        busy = [each for each in self._under_way if each not in over]
        room = self._room(busy, now)
        done = self._store.advance(Deciding(self._config, now), self._desk, busy, now, limit, finished, room)
        self._forget(finished)
        for destination, count in Counter(each.destination for each in done.claimed).items():
            self._paces[destination].take(count)
        if done.more:
            return done.claimed, now
        if self._prune_at is None:
            self._prune_at = now + PRUNE_FIRST
        if now >= self._prune_at:
            # A little at a time, and only while nothing else waits.
            self._prune_at = now + (PRUNE_ON if self._prune(now) else PRUNE_EVERY)
        return done.claimed, min((at for at in (done.next_due, self._next_opening(now)) if at), default=None)

    def _prune(self, now: datetime) -> bool:
        """Whether there may be more. What waits must not suffer from what is over."""
        try:
            return self._store.prune(self._config.retention, now)
        except Exception as fault:  # noqa: BLE001 - it is tried again some time later
            _log.error("what is too old is not taken out: %s", where(fault))
            return False

    def _next_opening(self, now: datetime) -> datetime | None:
        """When a destination that is left alone now may get something again."""
        times = (pace.opens_at(now) for pace in self._paces.values())
        return min((at for at in times if at is not None), default=None)

    def _retire(self, now: datetime) -> None:
        retired = self._store.retire(list(self._notifiers), now)
        self._store.review(self._config.hash, now)
        if retired:
            _log.error("%d deliveries of the last run end: their receivers are not configured any more", retired)
        self._retired = True

    def _room(self, busy: Collection[int], now: datetime) -> dict[Destination, int]:
        """How many messages each destination may get now."""
        under_way = Counter(self._under_way[each][0] for each in busy)
        free = {
            each: self._paces[each].allowance(AT_ONCE - under_way[each], under_way[each], now)
            for each in self._notifiers
        }
        return {each: count for each, count in free.items() if count > 0}

    def _write_finished(self) -> None:
        attempts = list(self._finished)
        if attempts:
            self._store.record(attempts)
            self._forget(attempts)

    def _forget(self, written: Sequence[Attempt]) -> None:
        del self._finished[: len(written)]
        for attempt in written:
            self._under_way.pop(attempt.delivery_id, None)

    async def _deliver(self, delivery: Delivery) -> None:
        try:
            made = await self._attempt(delivery)
        except Exception as fault:  # noqa: BLE001 - else it would be under way for ever
            _log.error("delivery %d is tried again: %s", delivery.id, where(fault))
            made = settle(delivery, Receipt(Outcome.RETRY, type(fault).__name__), self._clock.now(), 1.0)
        self._finished.append(made)
        # Receipts can wait for each other and for the next alert: each turn is a wait for the disk.
        asyncio.get_running_loop().call_later(RECEIPTS, self._write_soon, delivery.id)

    def _write_soon(self, delivery_id: int) -> None:
        """Unless a turn has written its receipt by now."""
        if delivery_id in self._under_way:
            self.wake()

    async def _attempt(self, delivery: Delivery) -> Attempt:
        receipt, problem = await make_attempt(delivery, self._notifiers[delivery.destination], self.enricher)
        now = self._clock.now()
        if delivery.destination in self._paces:  # else other rules came meanwhile
            self._paces[delivery.destination].answered(receipt, now)
        made = replace(settle(delivery, receipt, now, self._jitter()), set_aside=problem)
        _tell(delivery, made)
        return made


def _tell(delivery: Delivery, attempt: Attempt) -> None:
    """In the log: what did not arrive, at its first attempt and at its last."""
    receiver, outcome = delivery.destination.receiver, attempt.receipt.outcome
    if attempt.set_aside:
        _log.error("delivery %d is told without its particulars: %s", delivery.id, attempt.set_aside)
    if outcome is Outcome.RETRY and delivery.attempts == 0:
        _log.warning("receiver %s: %s; delivery %d is tried again", receiver, attempt.receipt.detail, delivery.id)
    elif outcome not in (Outcome.RETRY, Outcome.DELIVERED):
        _log.error("receiver %s: %s (%s); delivery %d ends", receiver, outcome, attempt.receipt.detail, delivery.id)
