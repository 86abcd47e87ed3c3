"""Records for the tests of the steps."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, TraceFlags

from llmtrace._record import SpanRecord


def record(attributes: dict[str, Any] | None = None, **fields: Any) -> SpanRecord:
    """An ended span with these attributes."""
    span_id = fields.pop("span_id", 2)
    values: dict[str, Any] = {
        "name": "span",
        "context": SpanContext(1, span_id, is_remote=False, trace_flags=TraceFlags(1)),
        "parent": None,
        "kind": SpanKind.INTERNAL,
        "start_time": 1_000,
        "end_time": 2_000,
        "attributes": attributes or {},
        "events": list[Event](),
        "links": list[Link](),
        "status": Status(),
        "resource": Resource.get_empty(),
        "instrumentation_scope": None,
    }
    return SpanRecord(**{**values, **fields})
