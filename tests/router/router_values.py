"""Values that the router's tests share: alerts, OTLP requests, configurations, a clock that is set by hand."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from raw_otlp import _key_values

from llmtrace.router.config import load
from llmtrace.router.model import Alert
from llmtrace.router.notifiers import KINDS
from llmtrace.semconv import alert as words
from llmtrace.semconv import trace

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from llmtrace.router.config import RouterConfig

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
TRACE_ID = "0123456789abcdef0123456789abcdef"
SPAN_ID = "0123456789abcdef"
PROTOBUF = {"content-type": "application/x-protobuf"}
SECOND = 1_000_000_000

MINIMAL = """
    version: 1
    receivers: {hook: {webhook: {url: "http://127.0.0.1:9099/hook", allow_private: true}}}
    routes: [{tier: page, matchers: ['severity="critical"'], receivers: [hook]}]
"""


class ManualClock:
    """Stands still until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    def move(self, **by: float) -> None:
        self._now += timedelta(**by)


def make_alert(severity: str = "critical", annotations: Mapping[str, str] | None = None, **labels: str) -> Alert:
    """An alert named ``retriever-down`` unless told otherwise."""
    named = {"alertname": "retriever-down", "severity": severity, "service": "bot", **labels}
    return Alert(named, annotations or {}, NOON)


def make_config(
    folder: Path, text: str = MINIMAL, environ: Mapping[str, str] | None = None, listen: str | None = None
) -> RouterConfig:
    """The configuration that ``alerts.yaml`` with this text gives."""
    file = folder / "alerts.yaml"
    file.write_text(textwrap.dedent(text))
    return load(file, environ or {}, KINDS, listen)


def make_span(*tags: Mapping[str, Any], name: str = "retrieval", **attributes: Any) -> Span:
    """A retriever's span of one second with an event for each tag; of ``attributes`` ``__`` stands for a dot."""
    given = {key.replace("__", "."): value for key, value in attributes.items()}
    start = int(NOON.timestamp()) * SECOND
    return Span(
        trace_id=bytes.fromhex(TRACE_ID),
        span_id=bytes.fromhex(SPAN_ID),
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + SECOND,
        attributes=_key_values({trace.SPAN_KIND: trace.KIND_RETRIEVER, **given}),
        events=[
            Span.Event(name=words.EVENT_NAME, time_unix_nano=start, attributes=_key_values(attributes))
            for attributes in tags
        ],
    )


def make_tag(severity: str = "critical", **others: Any) -> dict[str, Any]:
    """The attributes of a tag event; ``others`` are named after ``llmtrace.alert.``."""
    return {words.SEVERITY: severity, **{f"{words.EVENT_NAME}.{key}": value for key, value in others.items()}}


def make_request(*spans: Span, **resource: Any) -> ExportTraceServiceRequest:
    """An export of one resource, a service called ``bot`` in ``demo`` unless told otherwise."""
    about = {trace.SERVICE_NAME: "bot", trace.ENVIRONMENT: "demo", **resource}
    return ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(resource=Resource(attributes=_key_values(about)), scope_spans=[ScopeSpans(spans=spans)])
        ]
    )
