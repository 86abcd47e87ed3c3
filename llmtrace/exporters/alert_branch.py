"""The branch to the router: alert-tagged spans leave slim, without content, whatever the sampling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status

from llmtrace._record import SpanRecord
from llmtrace.exporters.pipeline import Sink
from llmtrace.semconv import alert


class AlertBranch:
    """A sink that lets only tagged spans through, and of them only what is allowed to travel."""

    def __init__(self, delivery: Sink) -> None:
        self._delivery = delivery

    def offer(self, record: SpanRecord) -> None:
        """Send a tagged span to the router; any other span is none of its business."""
        tags = [event for event in record.events if event.name == alert.EVENT_NAME]
        if tags:
            self._delivery.offer(slim(record, tags))

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
