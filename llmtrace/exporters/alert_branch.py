"""The branch to the router: alert-tagged spans leave slim, without content, whatever the sampling.

It stands before the verdict, and so before the steps that what is kept goes through: it has a redaction of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status

from llmtrace._record import SpanRecord
from llmtrace.exporters.pipeline import Sink, Step
from llmtrace.semconv import alert


class AlertBranch:
    """A sink that lets only tagged spans through, and of them only what is allowed to travel."""

    def __init__(self, delivery: Sink, steps: Callable[[], Sequence[Step]] = tuple) -> None:
        """Wire the parts.

        Args:
            delivery: the way to the router.
            steps: makes the steps that a slim span goes through; called on the worker, with the first tagged span.
        """
        self._delivery = delivery
        self._make_steps = steps
        self._steps: Sequence[Step] | None = None

    def offer(self, record: SpanRecord) -> None:
        """Send a tagged span to the router; any other span is none of its business."""
        tags = [event for event in record.events if event.name == alert.EVENT_NAME]
        if not tags:
            return
        if self._steps is None:
            self._steps = self._make_steps()
        thin: SpanRecord | None = slim(record, tags)
        for step in self._steps:
            if thin is None:
                return
            thin = step(thin)
        if thin is not None:
            self._delivery.offer(thin)

    def flush(self, deadline: float) -> bool:
        """Flush the way to the router."""
        return self._delivery.flush(deadline)

    def close(self, deadline: float) -> bool:
        """Close the way to the router."""
        return self._delivery.close(deadline)

    def after_fork_in_child(self) -> None:
        """Forget what belongs to the parent process."""
        self._delivery.after_fork_in_child()


def slim(record: SpanRecord, tags: list[Event]) -> SpanRecord:
    """A tagged span without content: no messages, no exception text, no status description, no links."""
    return replace(
        record,
        attributes=_only_slim(record.attributes),
        events=[Event(tag.name, _only_slim(tag.attributes or {}), tag.timestamp) for tag in tags],
        links=(),
        status=Status(record.status.status_code),
    )


def _only_slim(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if alert.is_slim_key(key)}
