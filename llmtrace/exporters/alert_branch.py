"""The branch to the router: alert-tagged spans leave slim, without content, whatever the sampling.

It stands before the verdict, and so before the steps that what is kept goes through: it has a redaction of its own. A
storm leaves as a few spans with counts (`llmtrace.exporters.coalescing`): an outage of a provider must not become a
thousand pages, nor a second outage.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status

from llmtrace._record import SpanRecord
from llmtrace._stats import stats
from llmtrace.exporters.coalescing import INTERVAL, Coalescing
from llmtrace.exporters.ways import Sink, Step
from llmtrace.semconv import alert


class AlertBranch:
    """A sink that lets only tagged spans through, few of each alert, and of them only what is allowed to travel."""

    def __init__(
        self,
        delivery: Sink,
        steps: Callable[[], Sequence[Step]] = tuple,
        *,
        interval: float = INTERVAL,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Wire the parts.

        Args:
            delivery: the way to the router.
            steps: makes the steps that a slim span goes through; called on the worker, with the first tagged span.
            interval: seconds of a window in which equal alerts are counted instead of sent.
            clock: seconds that only go forward.
        """
        self._delivery = delivery
        self._make_steps = steps
        self._interval = interval
        self._clock = clock
        self._renew()

    def _renew(self) -> None:
        self._steps: Sequence[Step] | None = None
        self._lock = threading.Lock()
        self._storms = Coalescing(self._prepared, interval=self._interval)

    def start(self) -> None:
        """Begin with what an earlier process has left."""
        self._delivery.start()

    def offer(self, record: SpanRecord) -> None:
        """Send a tagged span to the router, or count it; any other span is none of its business."""
        tags = [event for event in record.events if event.name == alert.EVENT_NAME]
        if tags:
            stats.add("alerts.tagged", len(tags))
            with self._lock:
                self._send(self._storms.take(slim(record, tags), self._clock()))

    def tick(self) -> float | None:
        """Send the counts of the windows that are over; returns the seconds until the next is, None: none is open."""
        with self._lock:
            now = self._clock()
            self._send(self._storms.due(now))
            due = self._storms.next_due
            return None if due is None else max(0.0, due - now)

    def _prepared(self, record: SpanRecord) -> SpanRecord | None:
        if self._steps is None:
            self._steps = self._make_steps()
        thin: SpanRecord | None = record
        for step in self._steps:
            if thin is None:
                return None
            thin = step(thin)
        return thin

    def _send(self, records: Sequence[SpanRecord]) -> None:
        if records:
            stats.add("alerts.sent", len(records))
            self._delivery.offer(records)

    def _send_all(self) -> None:
        with self._lock:
            self._send(self._storms.flush())

    def flush(self, deadline: float) -> bool:
        """Send what is counted so far, and flush the way to the router."""
        self._send_all()
        return self._delivery.flush(deadline)

    def close(self, deadline: float) -> bool:
        """Send what is counted so far, and close the way to the router."""
        self._send_all()
        return self._delivery.close(deadline)

    def after_fork_in_child(self) -> None:
        """Forget what belongs to the parent process: it sends its own counts."""
        self._renew()
        self._delivery.after_fork_in_child()


def slim(record: SpanRecord, tags: list[Event]) -> SpanRecord:
    """A tagged span without content: no messages, no exception text, no status description, no links."""
    return record._replace(
        attributes=_only_slim(record.attributes),
        events=[Event(tag.name, _only_slim(tag.attributes or {}), tag.timestamp) for tag in tags],
        links=(),
        status=Status(record.status.status_code),
    )


def _only_slim(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if alert.is_slim_key(key)}
