"""Delivery to one OTLP/HTTP backend: a bounded queue, a thread that sends, and one that puts on disk what has to wait.

A backend that is away costs the app nothing and the other backends nothing. What cannot be sent soon is in the spool
within a fraction of a second; while the backend is away, spans wait there and not in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from llmtrace._connection import Connection
from llmtrace._guard import logger
from llmtrace._stats import Loss
from llmtrace.exporters.circuit import Circuit
from llmtrace.exporters.delivery.ending import Ending
from llmtrace.exporters.delivery.keeping import Keeping
from llmtrace.exporters.delivery.sending import Sending
from llmtrace.exporters.delivery.stock import Stock
from llmtrace.exporters.delivery.turns import BATCH
from llmtrace.exporters.destination import THREAD_PREFIX, Destination
from llmtrace.exporters.encoded import EncodedSpan
from llmtrace.exporters.span_queue import MOST_BYTES, MOST_SPANS, SpanQueue
from llmtrace.exporters.spool import DiskSpool
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.tally import Tally
from llmtrace.exporters.threads import begun


class Delivery:
    """Sends spans to one destination: each until it is taken, refused for good, or too old."""

    def __init__(
        self,
        destination: Destination,
        *,
        most_spans: int = MOST_SPANS,
        most_bytes: int = MOST_BYTES,
        spool: DiskSpool | None = None,
        tally: Tally | None = None,
        client: Callable[[], Connection] | None = None,
    ) -> None:
        """Make a delivery; its threads start with the first span.

        Args:
            destination: where to.
            most_spans: how many may wait in memory.
            most_bytes: how large they may be together.
            spool: where they wait beyond that, and while the backend is away; None: nowhere.
            tally: counts, and tells; the one of the spool, if there is one.
            client: makes the connection, in the delivery's thread; for tests.
        """
        self._destination = destination
        self._most = most_spans, most_bytes
        self._spool = spool
        self._tally = tally or Tally(destination.name, destination.shown)
        self._make_client = client or destination.client
        self._renew()

    def _renew(self) -> None:
        stock = Stock(SpanQueue(*self._most), self._spool, self._tally)
        circuit = Circuit(self._destination.timeout)
        ending = Ending(circuit)
        keeping = None if self._spool is None else Keeping(self._spool, stock, circuit, ending, self._tally)
        sending = Sending(self._destination, self._make_client, stock, keeping, circuit, ending, self._tally)
        self._stock, self._ending, self._keeping = stock, ending, keeping
        self._work = [(sending.run, f"{THREAD_PREFIX}{self._destination.name}")]
        if keeping is not None:
            self._work.append((keeping.run, f"{THREAD_PREFIX}{self._destination.name}-spool"))
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin at once where an earlier process has left something; else the first span does."""
        with self._stock.changed:
            if self._keeping is not None and self._keeping.looks_first:
                self._ensure_threads()

    def offer(self, spans: Sequence[EncodedSpan]) -> None:
        """Take spans; where there is no room the oldest of the lower class go: to disk, or lost and counted."""
        now = time.monotonic()
        parcels = [Parcel(span, now) for span in spans]
        self._tally.add("accepted", len(parcels))
        if self._spool is not None and self._spool.write_ahead:
            self._spool.append(parcels)
        with self._stock.changed:
            if not self._ending.is_over:
                queue = self._stock.queue
                waited = len(queue)
                gone = queue.put(parcels)
                self._ensure_threads()
                if not waited or waited < BATCH <= len(queue) or queue.is_nearly_full:
                    self._stock.changed.notify_all()
            else:
                gone = parcels
        if gone:
            self._stock.put_away(gone, Loss.SHUTDOWN if self._ending.is_over else Loss.QUEUE_FULL)

    def _ensure_threads(self) -> None:
        missing = self._work[len(self._threads) :]
        for run, name in missing:
            thread = begun(run, name)
            if thread is None:
                return  # `close` puts into the spool what there is
            self._threads.append(thread)

    def flush(self, deadline: float) -> bool:
        """Wait until nothing is left to send; False where time.monotonic() passed `deadline` first."""
        self.hurry()
        with self._stock.changed:
            done = self._stock.changed.wait_for(self._is_done, max(0.0, deadline - time.monotonic()))
            self._ending.calm_down()
            return done

    def hurry(self) -> None:
        """Closing is near: send what there is."""
        with self._stock.changed:
            self._ending.hurries = True
            self._stock.changed.notify_all()

    def close(self, deadline: float) -> bool:
        """Send what is left until `deadline`; the rest stays in the spool, or is lost and counted."""
        ending, changed = self._ending, self._stock.changed
        with changed:
            if ending.has_begun:
                return not ending.undelivered
            ending.begin()
            self.hurry()
            left = max(0.0, deadline - time.monotonic())
            changed.wait_for(lambda: self._is_done() or ending.is_hopeless(deadline), left)
            ending.is_over = True
            changed.notify_all()
            changed.wait_for(lambda: not self._stock.is_moving, 1.0)
            rest = self._stock.rest()
        ending.undelivered = self._leave(rest)
        return not ending.undelivered

    def _is_done(self) -> bool:
        return self._stock.is_empty() and not (self._keeping is not None and self._keeping.looks_first)

    def _leave(self, rest: list[Parcel]) -> int:
        """What could not be sent: to the spool, for the next process. Returns how many spans were not delivered."""
        spooled, lost = self._stock.leave(rest)
        shown = self._destination.shown
        if spooled:
            logger.warning("llmtrace: %d spans for %s wait on disk for the next process", spooled, shown)
        if lost:
            self._tally.lose(Loss.SHUTDOWN, lost)
            logger.warning("llmtrace: %d spans for %s were not delivered", lost, shown)
        return spooled + lost

    def after_fork_in_child(self) -> None:
        """Queue, threads, connection and spool files belong to the parent; the child makes its own."""
        if self._spool is not None:
            self._spool.after_fork_in_child()
        self._tally.renew()
        self._renew()
