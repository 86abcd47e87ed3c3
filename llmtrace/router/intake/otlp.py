"""OTLP/HTTP traces: from a request's body to alerts, and the answer in the encoding that the sender speaks.

Protobuf and JSON, plain and gzip. It knows bytes and headers; reading them from a socket is ``web/intake.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as OtlpStatus

from llmtrace.router.config import Links
from llmtrace.router.intake import otlp_json
from llmtrace.router.intake.body import MOST_ALERTS, decompress
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.intake.tags import TaggedEvent, TaggedSpan, alerts_of
from llmtrace.router.model import Alert
from llmtrace.semconv import alert as words

_NANOSECONDS: Final = 1_000_000_000
_STATUS: Final = MappingProxyType({OtlpStatus.STATUS_CODE_OK: "ok", OtlpStatus.STATUS_CODE_ERROR: "error"})


class Encoding(Enum):
    """How a body is written: its content type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"

    def write(self, message: Message) -> bytes:
        """The message in this encoding."""
        if self is Encoding.PROTOBUF:
            return bytes(message.SerializeToString())
        return str(json_format.MessageToJson(message, indent=None)).encode()


@dataclass(frozen=True, slots=True)
class Export:
    """What a request came to: its alerts, and how many spans were refused, and why."""

    alerts: tuple[Alert, ...]
    refused_spans: int = 0
    refusal: str = ""


def encoding_of(content_type: str) -> Encoding:
    """The encoding that a content type names.

    Raises:
        RefusedError: 415.
    """
    try:
        return Encoding(content_type.partition(";")[0].strip().lower())
    except ValueError as error:
        allowed = " or ".join(encoding.value for encoding in Encoding)
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-type must be {allowed}") from error


def read(body: bytes, encoding: Encoding, content_encoding: str, links: Links, now: datetime) -> Export:
    """Decode a body and take the alerts from it. Spans without tags are nothing; one with a bad tag is refused alone.

    Raises:
        RefusedError: 400, 413 or 415, for the whole request.
    """
    request = ExportTraceServiceRequest()
    refusals = _decode(decompress(body, content_encoding), encoding, request)
    alerts: list[Alert] = []
    for span in _tagged(request):
        try:
            alerts.extend(alerts_of(span, links, now))
        except ValueError as error:
            refusals.append(f"span {span.name[:80]!r}: {error}")
        if len(alerts) > MOST_ALERTS:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_ALERTS} alerts in one request")
    return Export(tuple(alerts), len(refusals), refusals[0] if refusals else "")


def answer(export: Export, encoding: Encoding) -> bytes:
    """The body of the 200: OTLP's ExportTraceServiceResponse."""
    response = ExportTraceServiceResponse()
    if export.refused_spans:
        response.partial_success.rejected_spans = export.refused_spans
        response.partial_success.error_message = export.refusal
    return encoding.write(response)


def count_points(body: bytes, encoding: Encoding, content_encoding: str) -> int:
    """How many data points an export of metrics holds.

    Raises:
        RefusedError: 400, 413 or 415.
    """
    request = ExportMetricsServiceRequest()
    _decode(decompress(body, content_encoding), encoding, request)
    return sum(
        len(getattr(metric, kind).data_points)
        for group in request.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
        if (kind := metric.WhichOneof("data")) is not None
    )


def unwatched(points: int, encoding: Encoding) -> bytes:
    """The body of the 200 for metrics: OTLP's response, which says that nothing was kept of them."""
    response = ExportMetricsServiceResponse()
    if points:
        response.partial_success.rejected_data_points = points
        response.partial_success.error_message = "no monitor of this router reads metrics; they were counted, not kept"
    return encoding.write(response)


def refusal(status: HTTPStatus, message: str, encoding: Encoding) -> bytes:
    """The body of an error: google.rpc.Status, as OTLP/HTTP asks."""
    code = code_pb2.UNAVAILABLE if status is HTTPStatus.SERVICE_UNAVAILABLE else code_pb2.INVALID_ARGUMENT
    return encoding.write(Status(code=code, message=message))


def _decode(body: bytes, encoding: Encoding, request: Message) -> list[str]:
    """Read the body into the message; what was wrong with spans that are not in it."""
    try:
        if encoding is Encoding.JSON:
            return otlp_json.parse(body, request)
        request.ParseFromString(body)
    except (DecodeError, *otlp_json.FAULTS) as error:
        problem = f"the body is no {request.DESCRIPTOR.name} in {encoding.value}{otlp_json.where(error)}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, problem) from error
    return []


def _tagged(request: ExportTraceServiceRequest) -> Iterator[TaggedSpan]:
    """The spans that carry a tag; all others cost a look and no more."""
    for group in request.resource_spans:
        resource = _flat(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                if _has_tag(span):
                    yield _slim(span, resource)


def _has_tag(span: Span) -> bool:
    return any(event.name == words.EVENT_NAME for event in span.events) or any(
        attribute.key == words.SEVERITY for attribute in span.attributes
    )


def _slim(span: Span, resource: Mapping[str, object]) -> TaggedSpan:
    start, end = span.start_time_unix_nano, span.end_time_unix_nano
    return TaggedSpan(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        name=span.name,
        status=_STATUS.get(span.status.code),
        duration=(end - start) / _NANOSECONDS if end >= start > 0 else None,
        ended_at=_time(end),
        resource=resource,
        attributes=_flat(attribute for attribute in span.attributes if words.is_slim_key(attribute.key)),
        tags=tuple(
            TaggedEvent(_flat(event.attributes), _time(event.time_unix_nano))
            for event in span.events
            if event.name == words.EVENT_NAME
        ),
    )


def _flat(attributes: Iterable[KeyValue]) -> dict[str, object]:
    """Scalars by key; lists, maps and bytes are not slim."""
    return {attribute.key: _scalar(attribute.value) for attribute in attributes}


def _scalar(value: AnyValue) -> object:
    kind = value.WhichOneof("value")
    return getattr(value, kind) if kind in ("string_value", "bool_value", "int_value", "double_value") else None


def _time(nanoseconds: int) -> datetime | None:
    return datetime.fromtimestamp(nanoseconds / _NANOSECONDS, UTC) if nanoseconds else None
