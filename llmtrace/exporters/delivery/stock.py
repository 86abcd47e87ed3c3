"""What one delivery has in its hands: spans in the queue, on their way to the backend or to disk, and those there."""

from __future__ import annotations

import threading
import time

from llmtrace._stats import Loss
from llmtrace.exporters.answers import LONGEST_WAIT, Outcome
from llmtrace.exporters.sender import Report
from llmtrace.exporters.span_queue import SpanQueue
from llmtrace.exporters.spool import DiskSpool
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.tally import Tally


class Stock:
    """Shared by the app's threads and the delivery's two; each looks at it while it holds `changed`.

    Where the disk is written or read, `changed` is not held: a slow disk must not hold up an app. What is under way
    then stands in `moving` and `is_loading`, so that nobody takes the stock for empty.
    """

    def __init__(self, queue: SpanQueue, spool: DiskSpool | None, tally: Tally) -> None:
        self.changed = threading.Condition()
        """Notified when something came, went or ended."""
        self.queue = queue
        self.spool = spool
        self._tally = tally
        self._in_flight: list[Parcel] = []
        self._sent_at = 0.0
        self._moving = 0
        self._is_loading = False

    @property
    def on_disk(self) -> int:
        """Spans that wait there and nowhere else."""
        return self.spool.on_disk_only if self.spool is not None else 0

    @property
    def replayable(self) -> int:
        """Those of them that may be sent now."""
        return self.spool.loadable if self.spool is not None else 0

    @property
    def waiting(self) -> int:
        """Spans that wait, wherever."""
        return len(self.queue) + self.on_disk

    @property
    def is_moving(self) -> bool:
        """Whether spans are on their way from memory to disk."""
        return self._moving > 0

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing in memory that might have to go to disk."""
        return not self.queue and not self._in_flight

    def is_empty(self) -> bool:
        """Whether nothing is left to send."""
        in_memory = self.queue or self._in_flight or self._moving or self._is_loading
        return not in_memory and not self.on_disk

    # What is sent.

    def take(self, most_spans: int, most_bytes: int) -> list[Parcel]:
        """The next of the queue, which are on their way from now on. Under `changed`."""
        return self._fly(self.queue.take(most_spans, most_bytes))

    def announce(self) -> None:
        """`load` follows. Under `changed`."""
        self._is_loading = True

    def load(self, most_spans: int, most_bytes: int) -> list[Parcel]:
        """The next ones from disk, which are on their way from now on."""
        batch = self.spool.load(most_spans, most_bytes) if self.spool is not None else []
        with self.changed:
            self._is_loading = False
            self.changed.notify_all()
            return self._fly(batch)

    def _fly(self, batch: list[Parcel]) -> list[Parcel]:
        self._in_flight = batch
        self._sent_at = time.monotonic()
        return batch

    def land(self, report: Report) -> None:
        """The batch was answered: some need nothing any more, the rest is to be sent again. `landed` follows."""
        left = report.left
        if self.spool is not None:
            self.spool.finish(report.done)
            # Where the backend fails at a request, and may fail at one of its spans, others go first the next time.
            is_broken = report.trouble is not None and report.trouble.outcome is Outcome.BROKEN
            left = [*left, *self.spool.set_aside(report.aside)]
            self._keep(left, first=not is_broken)
        else:
            self._keep(left)

    def landed(self) -> None:
        """Nothing is on its way to the backend any more. Under `changed`."""
        self._in_flight = []

    def _keep(self, left: list[Parcel], *, first: bool = True) -> None:
        """What is to be sent again waits on disk, or in memory where there is no disk."""
        from_disk = [parcel for parcel in left if parcel.segment is not None]
        from_memory = [parcel for parcel in left if parcel.segment is None]
        if self.spool is not None:
            self.spool.unload(from_disk, first=first)
            self.spool.append(from_memory)
            self.spool.forget(from_memory)
        still = [parcel for parcel in from_memory if parcel.segment is None]
        oldest = time.monotonic() - LONGEST_WAIT
        expired = sum(parcel.since < oldest for parcel in still)
        with self.changed:
            gone = self.queue.put_back([parcel for parcel in still if parcel.since >= oldest])
        self._tally.lose(Loss.EXPIRED, expired)
        self.put_away(gone, Loss.QUEUE_FULL)

    # What goes to disk.

    def spill(self, spool: DiskSpool, moment: float, *, moves: bool) -> None:
        """Write what has waited since `moment`: a copy, or, where it `moves`, out of memory."""
        with self.changed:
            waiting = self.queue.take_since(moment) if moves else self.queue.waiting_since(moment)
            self._moving = len(waiting) if moves else 0
            flying = [*self._in_flight] if self._sent_at <= moment else []
        spool.append(flying)
        spool.append(waiting)
        if moves:
            spool.forget(waiting)
            with self.changed:
                self._moving = 0
                gone = self.queue.put_back([parcel for parcel in waiting if parcel.segment is None])
                self.changed.notify_all()
            self.put_away(gone, Loss.QUEUE_FULL)

    def put_away(self, parcels: list[Parcel], why: Loss) -> None:
        """Out of memory: onto the disk, and where that does not go lost."""
        if self.spool is not None:
            self.spool.append(parcels)
            self.spool.forget(parcels)
        lost = sum(parcel.segment is None and not parcel.is_done for parcel in parcels)
        if lost:
            self._tally.lose(why, lost)
            self._tally.say(why.value, f"cannot take spans as fast as they come: {lost} lost ({why})")

    # The end.

    def rest(self) -> list[Parcel]:
        """What is still in memory. Under `changed`, when nothing moves any more."""
        return [*self.queue.take_all(), *self._in_flight]

    def leave(self, rest: list[Parcel]) -> tuple[int, int]:
        """Leave what could not be sent to the next process: how many spans wait for it, and how many are lost."""
        spooled = 0
        if self.spool is not None:
            self.spool.finish([parcel for parcel in rest if parcel.is_done])
            self.spool.retry()
            self.spool.append(rest)
            spooled = self.spool.close()
        return spooled, sum(parcel.segment is None and not parcel.is_done for parcel in rest)
