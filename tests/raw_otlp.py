"""Spans written as raw OTLP, for tests that need a trace in Phoenix without trusting our own encoder."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from llmtrace.semconv import trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import httpx

MILLISECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A span to post. Start and length in nanoseconds; ids in hex."""

    trace_id: str
    span_id: str
    name: str
    start: int
    length: int
    attributes: Mapping[str, Any]
    parent_id: str = ""
    error: str | None = None
    events: tuple[tuple[str, Mapping[str, Any]], ...] = field(default=())


def post_spans(client: httpx.Client, project: str, spans: Iterable[RawSpan]) -> None:
    """Post spans to ``/v1/traces`` of the client's base URL, into the given Phoenix project."""
    resource = Resource(attributes=_key_values({trace.PROJECT_NAME: project, trace.SERVICE_NAME: "raw"}))
    scope = ScopeSpans(spans=[_encode(span) for span in spans])
    request = ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[scope])])
    headers = {"content-type": "application/x-protobuf"}
    client.post("/v1/traces", content=request.SerializeToString(), headers=headers).raise_for_status()


def _encode(span: RawSpan) -> Span:
    return Span(
        trace_id=bytes.fromhex(span.trace_id),
        span_id=bytes.fromhex(span.span_id),
        parent_span_id=bytes.fromhex(span.parent_id),
        name=span.name,
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.start + span.length,
        attributes=_key_values(span.attributes),
        events=[
            Span.Event(name=name, time_unix_nano=span.start, attributes=_key_values(attributes))
            for name, attributes in span.events
        ],
        status=Status(code=Status.STATUS_CODE_ERROR if span.error else Status.STATUS_CODE_OK, message=span.error or ""),
    )


def _key_values(attributes: Mapping[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any_value(value)) for key, value in attributes.items()]


def _any_value(value: object) -> AnyValue:
    match value:
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[_any_value(item) for item in value]))
        case str():
            return AnyValue(string_value=value)
        case _:
            return AnyValue(string_value=json.dumps(value))
