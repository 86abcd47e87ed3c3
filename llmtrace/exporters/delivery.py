"""Delivery to one OTLP/HTTP backend: a bounded queue, a thread that sends, and one that puts on disk what has to wait.

A backend that is away costs the app nothing and the other backends nothing. What cannot be sent soon is in the spool
within a fraction of a second; while the backend is away, spans wait there and not in memory.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION,
)
from opentelemetry.context import (
    attach,
    set_value,
)

from llmtrace._connection import Connection
from llmtrace._forks import importing
from llmtrace._guard import guarded, logger
from llmtrace._stats import Loss
from llmtrace.exporters.answers import LONGEST_WAIT, Outcome
from llmtrace.exporters.circuit import Circuit
from llmtrace.exporters.destination import THREAD_PREFIX, Destination
from llmtrace.exporters.encoded import EncodedSpan
from llmtrace.exporters.sender import Report, Sender
from llmtrace.exporters.span_queue import MOST_BYTES, MOST_SPANS, SpanQueue
from llmtrace.exporters.spool import LOOK_EVERY, DiskSpool
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.tally import Tally

BATCH: Final = 512
"""Spans in one request."""
PROBE: Final = 64
"""Spans in a request to a backend that is away."""
GATHER: Final = 0.02
"""Seconds that spans may gather before a request that is not full leaves."""
SPOOL_AFTER: Final = 0.06
"""Seconds after which a span that is neither sent nor answered is written to disk."""
TICK: Final = 0.03
"""Seconds between two looks for such spans, while there are any in memory."""
REPLAYED_A_SECOND: Final = 5_000
"""Spans that come back from disk, at most: a backend that is back must not be drowned."""


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
        self._changed = threading.Condition()
        self._queue = SpanQueue(*self._most)
        self._in_flight: list[Parcel] = []
        self._sent_at = 0.0
        self._moving = 0
        self._is_loading = False
        self._circuit = Circuit(self._destination.timeout)
        self._hurries = False
        self._was_replayed = False
        self._replay_at = 0.0
        self._looks_first = self._spool is not None and self._spool.is_left()
        self._looks = 0
        self._closing = False
        self._attempts = 0
        self._is_closed = False
        self._undelivered = 0
        self._threads: list[threading.Thread] = []

    # What the pipeline, and whoever ends it, calls.

    def start(self) -> None:
        """Begin at once where an earlier process has left something; else the first span does."""
        with self._changed:
            if self._looks_first:
                self._ensure_threads()

    def offer(self, span: EncodedSpan) -> None:
        """Take a span; where there is no room the oldest of the lower class goes: to disk, or lost and counted."""
        parcel = Parcel(span, time.monotonic())
        self._tally.add("accepted")
        if self._spool is not None and self._spool.write_ahead:
            self._spool.append([parcel])
        with self._changed:
            if not self._is_closed:
                gone = self._queue.put(parcel)
                self._ensure_threads()
                waiting = len(self._queue)
                if waiting in (1, BATCH) or self._queue.is_nearly_full:
                    self._changed.notify_all()
            else:
                gone = [parcel]
        if gone:
            self._put_away(gone, Loss.SHUTDOWN if self._is_closed else Loss.QUEUE_FULL)

    def flush(self, deadline: float) -> bool:
        """Wait until nothing is left to send; False where time.monotonic() passed `deadline` first."""
        with self._changed:
            self._hurry()
            done = self._changed.wait_for(self._is_done, max(0.0, deadline - time.monotonic()))
            self._hurries = self._closing
            return done

    def hurry(self) -> None:
        """Closing is near: send what there is."""
        with self._changed:
            self._hurry()

    def close(self, deadline: float) -> bool:
        """Send what is left until `deadline`; the rest stays in the spool, or is lost and counted."""
        with self._changed:
            if self._closing:
                return not self._undelivered
            self._closing = True
            self._attempts = 0
            self._hurry()
            left = max(0.0, deadline - time.monotonic())
            self._changed.wait_for(lambda: self._is_done() or self._is_hopeless(deadline), left)
            self._is_closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._moving, 1.0)
            rest = [*self._queue.take(self._most[0], self._most[1]), *self._in_flight]
        self._undelivered = self._leave(rest)
        return not self._undelivered

    def after_fork_in_child(self) -> None:
        """Queue, threads, connection and spool files belong to the parent; the child makes its own."""
        if self._spool is not None:
            self._spool.after_fork_in_child()
        self._tally.renew()
        self._renew()

    # On whichever thread.

    def _ensure_threads(self) -> None:
        if self._threads:
            return
        name = f"{THREAD_PREFIX}{self._destination.name}"
        # Daemons: a process that ends without shutdown must not hang on telemetry.
        self._threads.append(threading.Thread(target=self._send, name=name, daemon=True))
        if self._spool is not None:
            self._threads.append(threading.Thread(target=self._keep, name=f"{name}-spool", daemon=True))
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError:
            self._hurries = True  # the interpreter is ending: `close` puts into the spool what there is

    def _hurry(self) -> None:
        self._hurries = True
        self._changed.notify_all()

    def _is_done(self) -> bool:
        in_memory = self._queue or self._in_flight or self._moving or self._is_loading
        return not in_memory and not self._looks_first and not self._on_disk()

    def _on_disk(self) -> int:
        return self._spool.on_disk_only if self._spool is not None else 0

    def _is_hopeless(self, deadline: float) -> bool:
        return (self._attempts > 0 or self._circuit.asked_to_wait) and self._circuit.is_hopeless(deadline)

    def _put_away(self, parcels: list[Parcel], why: Loss) -> None:
        """Out of memory: onto the disk, and where that does not go lost."""
        if self._spool is not None:
            self._spool.append(parcels)
            self._spool.forget(parcels)
        lost = sum(parcel.segment is None and not parcel.is_done for parcel in parcels)
        if lost:
            self._tally.lose(why, lost)
            self._tally.say(why.value, f"cannot take spans as fast as they come: {lost} lost ({why})")

    def _leave(self, rest: list[Parcel]) -> int:
        """What could not be sent: to the spool, for the next process. Returns how many spans were not delivered."""
        spooled = 0
        if self._spool is not None:
            self._spool.finish([parcel for parcel in rest if parcel.is_done])
            self._spool.append(rest)
            spooled = self._spool.close()
        lost = sum(parcel.segment is None and not parcel.is_done for parcel in rest)
        if spooled:
            logger.warning(
                "llmtrace: %d spans for %s wait on disk for the next process", spooled, self._destination.shown
            )
        if lost:
            self._tally.lose(Loss.SHUTDOWN, lost)
            logger.warning("llmtrace: %d spans for %s were not delivered", lost, self._destination.shown)
        return spooled + lost

    # On the thread that puts on disk.

    def _keep(self) -> None:
        spool = self._spool
        while spool is not None and not self._is_closed:
            with guarded("writing to the spool"):
                spool.look()
                self._spill(spool, time.monotonic() - SPOOL_AFTER)
            with self._changed:
                self._looks += 1
                if self._looks_first or self._on_disk():
                    self._looks_first = False
                    self._changed.notify_all()
                idle = not self._queue and not self._in_flight
                self._changed.wait_for(lambda: self._is_closed, TICK) if not idle else self._changed.wait(LOOK_EVERY)
            self._tally.sum_up(self._trouble())

    def _spill(self, spool: DiskSpool, moment: float) -> None:
        """Copy to disk what has waited since `moment`; where the backend is away, or memory is short, move it there."""
        with self._changed:
            moves = not self._circuit.is_open or self._queue.is_nearly_full
            waiting = self._queue.take_since(moment) if moves else self._queue.waiting_since(moment)
            self._moving = len(waiting) if moves else 0
            flying = [*self._in_flight] if self._sent_at <= moment else []
        spool.append(flying)
        spool.append(waiting)
        if moves:
            spool.forget(waiting)
            with self._changed:
                self._moving = 0
                gone = self._queue.put_back([parcel for parcel in waiting if parcel.segment is None])
                self._changed.notify_all()
            self._put_away(gone, Loss.QUEUE_FULL)

    # On the thread that sends.

    def _send(self) -> None:
        # Our own requests must not become spans of the app's HTTP instrumentation, which would be sent by requests ...
        attach(set_value(SUPPRESS_INSTRUMENTATION, True))
        with importing:
            made = self._make_client()
        with made as client:
            sender = Sender(self._destination, client, self._tally)
            while not self._is_closed:
                with guarded("sending spans"):
                    self._send_next(sender)

    def _send_next(self, sender: Sender) -> None:
        batch = self._next(sender)
        if batch is None:
            return
        began = time.monotonic()
        report = Report(left=batch)
        try:
            report = sender.send(batch, self._circuit.patience)
        finally:
            self._settle(report, time.monotonic() - began)

    def _next(self, sender: Sender) -> list[Parcel] | None:
        """Wait for work; None says that the delivery is closed."""
        while True:
            looks, on_disk = self._looks, self._on_disk()
            with self._changed:
                if self._is_closed:
                    return None
                if looks != self._looks:
                    continue  # more may be on disk than we know, and whoever put it there has told us already
                now = time.monotonic()
                pause = self._circuit.wait(now, hurries=self._hurries)
                to_replay = 0.0 if self._hurries else max(0.0, self._replay_at - now)
                replays = bool(on_disk) and not to_replay
                if pause or not (self._queue or replays):
                    self._changed.wait(pause or (to_replay if on_disk else None))
                    continue
                # In turns, and a backend that is away is asked with what is on disk already.
                prefers_disk = not self._circuit.is_open or not self._was_replayed
                if not (replays and (prefers_disk or not self._queue)):
                    self._gather()
                    return self._take(sender)
                self._is_loading = True
            if batch := self._replay(sender):
                return batch

    def _gather(self) -> None:
        """Let a request become fuller, for a moment."""
        oldest = self._queue.oldest or 0.0
        left = oldest + GATHER - time.monotonic()
        if left > 0 and not self._hurries:
            self._changed.wait_for(lambda: len(self._queue) >= BATCH or self._hurries or self._is_closed, left)

    def _take(self, sender: Sender) -> list[Parcel]:
        batch = self._queue.take(BATCH, sender.most_bytes)
        self._fly(batch)
        self._was_replayed = False
        return batch

    def _replay(self, sender: Sender) -> list[Parcel]:
        spool = self._spool
        most = BATCH if self._circuit.is_open else PROBE
        batch = spool.load(most, sender.most_bytes) if spool is not None else []
        with self._changed:
            self._fly(batch)
            self._is_loading = False
            self._was_replayed = True
            self._replay_at = time.monotonic() + len(batch) / REPLAYED_A_SECOND
            self._changed.notify_all()
        return batch

    def _fly(self, batch: list[Parcel]) -> None:
        self._in_flight = batch
        self._sent_at = time.monotonic()

    def _settle(self, report: Report, took: float) -> None:
        """What the answer means for the spans, and for when to send again."""
        if self._spool is not None:
            self._spool.finish(report.done)
        self._say_how_it_goes(report, took)
        self._keep_left(report.left)
        with self._changed:
            self._in_flight = []
            self._attempts += 1
            if report.trouble is not None:
                self._hurries = False
            self._changed.notify_all()

    def _say_how_it_goes(self, report: Report, took: float) -> None:
        was_open, since = self._circuit.is_open, self._circuit.away_since
        if report.trouble is None:
            self._circuit.succeeded(took)
            if not was_open:
                away = time.monotonic() - since
                logger.info("llmtrace: %s takes spans again, after %.0f s", self._destination.shown, away)
            return
        self._circuit.failed(report.trouble, time.monotonic())
        if was_open:
            where = "on disk" if self._spool is not None else "in memory"
            hint = "; check address and key" if report.trouble.outcome is Outcome.CLOSED else ""
            what = f"does not take spans ({report.trouble.said}{hint}); they wait {where}, your app is not affected"
            self._tally.say("away", what)

    def _keep_left(self, left: list[Parcel]) -> None:
        """What is to be sent again waits on disk, or in memory where there is no disk."""
        spool = self._spool
        from_disk = [parcel for parcel in left if parcel.segment is not None]
        from_memory = [parcel for parcel in left if parcel.segment is None]
        if spool is not None:
            spool.unload(from_disk)
            spool.append(from_memory)
            spool.forget(from_memory)
        still = [parcel for parcel in from_memory if parcel.segment is None]
        oldest = time.monotonic() - LONGEST_WAIT
        expired = sum(parcel.since < oldest for parcel in still)
        with self._changed:
            gone = self._queue.put_back([parcel for parcel in still if parcel.since >= oldest])
        self._tally.lose(Loss.EXPIRED, expired)
        self._put_away(gone, Loss.QUEUE_FULL)

    def _trouble(self) -> str:
        """What the line a minute says; empty while all is well."""
        trouble = self._circuit.trouble
        if trouble is None:
            return ""
        away = time.monotonic() - self._circuit.away_since
        waiting = len(self._queue) + self._on_disk()
        oldest = self._spool.oldest if self._spool is not None else None
        said = f"has not taken spans for {away:.0f} s ({trouble.said}); {waiting} wait"
        return said if oldest is None else f"{said}, the oldest on disk for {oldest:.0f} s"
