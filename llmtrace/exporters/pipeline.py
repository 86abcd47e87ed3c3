"""The hand-off: takes ended spans from the app's threads, and works on them in a thread of its own.

The app pays for one append to a bounded queue. Everything else, flattening, redaction, encoding, sending, happens on
the worker or behind it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor

from llmtrace._forks import importing
from llmtrace._guard import guarded, logger, say_once, swallowed
from llmtrace._keeping import Standing
from llmtrace._record import Glance, Seen, SpanRecord
from llmtrace._span import UNSET_STATUS
from llmtrace._stats import Loss, stats
from llmtrace.exporters.bell import Bell
from llmtrace.exporters.orders import Attend, Keep, Mark, Measure, Order
from llmtrace.exporters.scales import FEW, Scales, Weighed
from llmtrace.exporters.threads import begun
from llmtrace.exporters.verdict import Tail
from llmtrace.exporters.ways import Alerts, Beside, Look, Observer, Sink, Step, Way, through
from llmtrace.semconv import alert

_LAST_MOMENT: Final = 0.5
"""Seconds for the backends after the worker's last span."""
_TOGETHER: Final = 32
"""Spans that go through the steps side by side: a step's code and tables are at hand for the next span then, and all
these spans still fit into a cache of the processor. It takes a quarter less than one span after the other."""
_AFTER_A_FAILURE: Final = 1.0
_LOOK_AGAIN: Final = 0.5
"""Seconds between two looks at open traces where nothing ends."""


class Pipeline(SpanProcessor):
    """An OpenTelemetry span processor in front, a worker thread behind."""

    def __init__(
        self,
        steps: Callable[[], Sequence[Step]],
        sinks: Sequence[Sink],
        *,
        hints: Callable[[], Sequence[Look]] = tuple,
        observers: Callable[[], Sequence[Observer]] = tuple,
        alerts: Alerts | None = None,
        tail: Tail | None = None,
        quick: bool = False,
        beside: Sequence[Beside] = (),
        capacity: int = 32_768,
        gather: float = 0.05,
    ) -> None:
        """Wire the parts.

        Args:
            steps: makes the steps that run on each span that is kept, in their order. Called on the worker, with the
                first span: what they need to import and compile is nothing that the app should wait for at its start.
            sinks: each is offered each span that comes out of the steps.
            hints: makes the steps that run on every span before its trace's verdict; on the worker, as `steps`.
            observers: makes those that look at every span after the hints; on the worker, as `steps`.
            alerts: is offered every span that carries an alert tag, whatever the verdict, before any step.
            tail: the verdict on traces; None: every span is kept.
            quick: nothing but the tail looks at a span before its verdict, which may then fall where the span ends.
            beside: takes no spans, and ends with the pipeline: the metrics.
            capacity: how many ended spans may wait for the worker.
            gather: seconds that the worker lets spans gather before it takes them.
        """
        self._make_steps = steps
        self._sinks = sinks
        self._make_hints = hints
        self._make_observers = observers
        self._alerts = alerts
        self._tail = tail
        self._is_quick = tail is not None and quick
        if tail is not None:
            # For every span: no call in between.
            tail.on_wake(self._wake)
            self.on_start = tail.started  # type: ignore[method-assign]
            if quick:
                tail.on_item(self.on_end)
                self.on_end = tail.end  # type: ignore[method-assign,assignment]
        self._ways: tuple[Way, ...] = (*sinks, *(() if alerts is None else (alerts,)), *beside)
        self._beside = beside
        self._capacity = capacity
        self._few = min(FEW, capacity)
        self._gather = gather
        self._closed = False
        self._renew()

    def _renew(self) -> None:
        self._waiting: deque[Any] = deque()  # spans, traces of the tail, orders
        self._scales = Scales()
        self._arrived = Bell()
        self._hurry = Bell()
        self._start_lock = threading.RLock()
        self._worker: threading.Thread | None = None
        self._is_prepared = False
        self._released: list[SpanRecord] = []

    def start(self) -> None:
        """Begin: the sinks may have something to send that an earlier process left."""
        for sink in (*self._sinks, *(() if self._alerts is None else (self._alerts,))):
            sink.start()

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do: a span is worked on when it has ended."""

    def _on_ending(self, span: Span) -> None:
        """Nothing to do."""

    def on_end(self, span: ReadableSpan, item: Any = None) -> None:
        """Take an ended span, or count it as lost where the queue is full. Never blocks.

        ``item``: what the worker is to look at, where the tail has seen the span already.
        """
        if self._closed:
            stats.lose(Loss.SHUTDOWN)
            return
        if item is None:
            item = span
            if self._tail is not None and len(self._waiting) * 2 > self._capacity and self._tail.is_plain(span):
                item = self._crowded(span, self._tail)
                if item is None:
                    return
        if len(self._waiting) >= self._few:
            item = self._one_of_many(item)
            if item is None:
                return
        if self._tail is not None and (span._status is not UNSET_STATUS or span._events):  # noqa: SLF001 - no copies
            self._tail.foresee(span)
        self._waiting.append(item)
        if not self._arrived.rings:
            self._wake()

    def _crowded(self, span: ReadableSpan, tail: Tail) -> Any:
        """The worker does not keep up: plain spans go by hints and metrics, so that those that matter find room."""
        stats.add("spans.unobserved")
        say_once("pipeline:crowded", "llmtrace: spans end faster than hints and metrics can look at each; some are not")
        item = tail.end(span)
        return item if item is None else Attend(item)

    def _one_of_many(self, item: Any) -> Any:
        """What is to wait for this one, where there is room for it; else it is lost."""
        waiting = len(self._waiting)
        if waiting >= self._capacity or self._scales.is_full:
            self._lose(item)
            return None
        return self._scales.put(item, waiting) if isinstance(item, ReadableSpan) else item

    def _lose(self, item: Any) -> None:
        if not isinstance(item, ReadableSpan):
            return  # a trace, which the worker comes upon by itself
        stats.lose(Loss.QUEUE_FULL)
        if self._tail is not None and not self._is_quick:
            self._tail.lost(item)
        say_once("pipeline:full", "llmtrace: spans end faster than they can be worked on; some are lost and counted")

    def keep(self, trace_id: int) -> None:
        """Keep a trace, whatever chance says. Never blocks."""
        if self._tail is not None and not self._closed and len(self._waiting) < self._capacity:
            self._tail.foresee_keep(trace_id)
            self._waiting.append(Keep(trace_id))
            self._wake()

    def standing(self, trace_id: int) -> Standing:
        """What is known of a trace."""
        return Standing.UNKNOWN if self._tail is None else self._tail.standing(trace_id)

    def measure(self, record: SpanRecord) -> None:
        """Show something that is no span to those that measure, and to nobody else. Never blocks."""
        if not self._closed and len(self._waiting) < self._capacity:
            self._waiting.append(Measure(record))
            self._wake()

    def _wake(self) -> None:
        self._arrived.ring()
        self._ensure_worker()

    def _ensure_worker(self) -> None:
        if self._worker is None:
            with self._start_lock:
                if self._worker is None:
                    self._worker = begun(self._run, "llmtrace-worker")
            if self._worker is None:
                self._arrived.hush()  # the next span asks again

    def _run(self) -> None:
        if not self._gets_prepared():
            return
        pause: float | None = None
        while not (self._closed and not self._waiting):
            if self._arrived.wait(pause):
                if not self._closed:
                    self._hurry.wait(self._gather)
                self._hurry.hush()
                self._arrived.hush()
                self._drain()
            pause = self._tick()

    def _prepare(self) -> None:
        """Make what works on spans, once."""
        if not self._is_prepared:
            with importing:
                if not self._is_prepared:
                    self._steps = self._make_steps()
                    self._hints = self._make_hints()
                    self._observers = self._make_observers()
                    self._looks = bool(self._hints or self._observers)
                    self._is_prepared = True

    def _gets_prepared(self) -> bool:
        """Try until it succeeds: there may be no file descriptor for an import now. False where the end comes first."""
        while not self._is_prepared:
            try:
                self._prepare()
            except Exception as error:  # noqa: BLE001 - whatever it is, the app goes on
                what = "llmtrace: what works on spans cannot be loaded (%s); they wait until it can"
                say_once("pipeline:prepare", what, type(error).__name__)
            if not self._is_prepared:
                for item in list(self._waiting):
                    if isinstance(item, Mark):  # nobody waits for what may never be
                        item.passed.set()
                if self._closed:
                    return False
                self._hurry.wait(_AFTER_A_FAILURE)
                self._hurry.hush()
        return True

    def _tick(self) -> float | None:
        """Do what is due by time; returns the seconds until something is again, None: nothing waits."""
        with guarded("what is due by time"):
            if self._tail is not None:
                self._release_all(self._tail.tick())
                self._hand_on()
            pause = None if self._alerts is None else self._alerts.tick()
            if self._tail is None or self._tail.may_doze():
                return pause
            return _LOOK_AGAIN if pause is None else min(pause, _LOOK_AGAIN)
        return _AFTER_A_FAILURE

    def _drain(self) -> None:
        for _ in range(len(self._waiting)):
            item = self._waiting.popleft()
            try:
                if isinstance(item, Order):
                    self._obey(item)
                else:
                    self._work(item)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - `guarded`, without the cost of a block for each span
                swallowed("working on a span", error)
        self._hand_on()

    def _obey(self, order: Order) -> None:
        if isinstance(order, Weighed):
            self._work(self._scales.take(order))
        elif isinstance(order, Attend) and self._tail is not None:
            self._release_all(self._tail.attend(order.item))
        elif isinstance(order, Keep):
            if self._tail is not None:
                self._release_all(self._tail.keep(order.trace_id))
        elif isinstance(order, Measure):
            for observe in self._observers:
                observe(order.record)
        elif isinstance(order, Mark):
            if order.is_last and self._tail is not None:
                with guarded("deciding what is open at the end"):
                    self._release_all(self._tail.close())
            self._hand_on()
            order.passed.set()

    def _work(self, span: Any) -> None:
        if self._is_quick and self._tail is not None:
            for kept in self._tail.attend(span):
                self._release(kept)
            return
        seen = None
        if self._looks or (self._alerts is not None and _is_tagged(span)):
            seen = self._before_the_verdict(span)
        if self._tail is None:
            self._release(SpanRecord.of(span) if seen is None else seen.whole())
        else:
            for kept in self._tail.take(span, seen):
                self._release(kept)

    def _release_all(self, kept: Iterable[SpanRecord]) -> None:
        for record in kept:
            with guarded("working on a span"):
                self._release(record)

    def _before_the_verdict(self, span: ReadableSpan) -> Seen | None:
        """Hints, metrics and alerts, of every span; None where nothing was changed: most spans will be dropped."""
        seen: Seen = Glance(span)
        try:
            for hint in self._hints:
                seen = hint(seen)
            for observe in self._observers:
                observe(seen)
        except Exception as error:  # noqa: BLE001 - `guarded`, without the cost of a block for each span
            swallowed("a look at a span", error)
        if seen.events and self._alerts is not None and _is_tagged(seen):
            with guarded("handing on an alert"):
                self._alerts.offer(seen.whole())
        return None if isinstance(seen, Glance) and not seen.is_changed else seen

    def _release(self, kept: SpanRecord) -> None:
        self._released.append(kept)
        if len(self._released) >= _TOGETHER:
            self._hand_on()

    def _hand_on(self) -> None:
        """Take what was released through the steps, and to the sinks."""
        records: Sequence[SpanRecord] = self._released
        if not records:
            return
        try:
            for step in self._steps:
                records = through(step, records)
            for sink in self._sinks:
                with guarded("handing on spans"):
                    sink.offer(records)
        finally:
            self._released = []

    def flush(self, deadline: float) -> bool:
        """Work on all that has ended, then flush the sinks; False where `deadline` (time.monotonic()) passed first."""
        settled = self._settle(deadline)
        return all([settled, *(way.flush(deadline) for way in self._ways)])

    def _settle(self, deadline: float, *, is_last: bool = False) -> bool:
        if self._worker is None and self._waiting:
            self._ensure_worker()
            with self._start_lock:
                if self._worker is None:  # there are no threads: better here, where somebody waits, than not at all
                    self._prepare()
                    self._drain()
        if self._worker is None:
            return not self._waiting
        mark = Mark(is_last)
        self._waiting.append(mark)
        self._hurry.ring()
        self._arrived.ring()
        return mark.passed.wait(max(0.0, deadline - time.monotonic())) and self._is_prepared

    def close(self, deadline: float, local: float = 0.0) -> bool:
        """Flush and stop; what is not out by `deadline` stays in the spool, or is lost and counted.

        Args:
            deadline: when to stop waiting for the backends, by time.monotonic().
            local: when to stop waiting for our own worker, where that is later: on a machine that is busy, imports
                and a burst of spans may take it longer than that. Then the backends get a last moment more.
        """
        settled = self._settle(max(deadline, local), is_last=True)
        if settled and local:
            deadline = max(deadline, time.monotonic() + _LAST_MOMENT)
        self._closed = True
        self._arrived.ring()
        self._hurry.ring()
        for way in self._beside:
            way.hurry()
        return all([settled, *(way.close(deadline) for way in self._ways)])

    def finish(self, grace: float) -> None:
        """After `close`, at the end of the process: let the worker hand on what it has still to do, then count."""
        if self._worker is not None:
            self._worker.join(grace)
        left = sum(isinstance(item, Weighed) or not isinstance(item, Order) for item in list(self._waiting))
        left += len(self._released)
        if left:
            stats.lose(Loss.SHUTDOWN, left)
            logger.warning("llmtrace: %d spans had not been worked on at the end of the process", left)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """OpenTelemetry's flush."""
        return self.flush(time.monotonic() + timeout_millis / 1000)

    def shutdown(self) -> None:
        """OpenTelemetry's shutdown, with the default budget of `llmtrace.shutdown`."""
        self.close(time.monotonic() + 2.0)

    def after_fork_in_child(self) -> None:
        """The worker and what was waiting belong to the parent; the child begins with nothing."""
        self._renew()
        if self._tail is not None:
            self._tail.after_fork_in_child()
        for way in self._ways:
            way.after_fork_in_child()


def _is_tagged(span: ReadableSpan | Seen) -> bool:
    return any(event.name == alert.EVENT_NAME for event in span.events)
