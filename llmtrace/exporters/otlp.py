"""Records -> OTLP protobuf, span by span where it must be: no value of one span costs another one its place.

The reference encoder does not raise for a text with a lone surrogate or an integer beyond 64 bits: it leaves the value
out and logs it, content and all. So every value is made fit before the encoder sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from llmtrace._record import SpanRecord
from llmtrace._serialize import clean_text, to_text
from llmtrace._stats import Loss, stats

_INT64: Final = 2**63


def encode(records: Sequence[SpanRecord]) -> bytes:
    """The OTLP ``ExportTraceServiceRequest`` of these spans, serialised. Never raises."""
    fit = [record for record in map(_fit, records) if record is not None]
    try:
        return _serialised(fit)
    except Exception:  # noqa: BLE001 - whatever a foreign value made the encoder raise, the others must leave
        return _serialised([record for record in fit if _is_encodable(record)])


def _serialised(records: Sequence[SpanRecord]) -> bytes:
    # The reference encoder asks only for what SpanRecord has.
    return encode_spans(records).SerializeToString()  # type: ignore[arg-type, no-any-return]


def _is_encodable(record: SpanRecord) -> bool:
    try:
        _serialised([record])
    except Exception:  # noqa: BLE001 - this one is the culprit
        stats.lose(Loss.NOT_ENCODABLE)
        return False
    return True


def _fit(record: SpanRecord) -> SpanRecord | None:
    """The record with every value in the form that OTLP carries; the same object where it is fit already."""
    try:
        return record if _is_fit(record) else _made_fit(record)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        stats.lose(Loss.NOT_ENCODABLE)
        return None


def _is_fit(record: SpanRecord) -> bool:
    return (
        _is_fit_value(record.name)
        and _are_fit(record.attributes)
        and all(_is_fit_value(event.name) and _are_fit(event.attributes or {}) for event in record.events)
        and all(_are_fit(link.attributes or {}) for link in record.links)
        and _is_fit_value(record.status.description or "")
        and _are_fit(record.resource.attributes)
        and _is_fit_scope(record.instrumentation_scope)
    )


def _are_fit(attributes: Mapping[str, Any]) -> bool:
    return all(_is_fit_value(key) and _is_fit_value(value) for key, value in attributes.items())


def _is_fit_value(value: object) -> bool:
    kind = type(value)  # compared by identity: a metaclass may raise when asked for equality
    if kind is tuple or kind is list:
        return all(_is_fit_scalar(item) for item in value)  # type: ignore[attr-defined] # it is one of the two
    return _is_fit_scalar(value)


def _is_fit_scalar(value: object) -> bool:
    kind = type(value)
    if kind is str:
        return value.isascii() or _has_no_surrogate(value)  # type: ignore[attr-defined, arg-type] # it is a str
    if kind is int:
        return -_INT64 <= value < _INT64  # type: ignore[operator] # it is an int
    return kind is bool or kind is float


def _has_no_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_fit_scope(scope: InstrumentationScope | None) -> bool:
    return scope is None or (
        _is_fit_value(scope.name) and _is_fit_value(scope.version or "") and _is_fit_value(scope.schema_url or "")
    )


def _made_fit(record: SpanRecord) -> SpanRecord:
    description = record.status.description
    scope = record.instrumentation_scope
    return replace(
        record,
        name=_text(record.name),
        attributes=_attributes(record.attributes),
        events=[
            Event(_text(event.name), _attributes(event.attributes or {}), event.timestamp) for event in record.events
        ],
        links=[Link(link.context, _attributes(link.attributes or {})) for link in record.links],
        status=Status(record.status.status_code, _text(description) if description else None),
        resource=Resource(_attributes(record.resource.attributes), record.resource.schema_url),
        instrumentation_scope=scope and InstrumentationScope(_text(scope.name), _text(scope.version or "")),
    )


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {_text(key): _value(value) for key, value in attributes.items()}


def _text(value: object) -> str:
    return clean_text(to_text(value))


def _value(value: object) -> Any:
    if _is_fit_value(value):
        return value
    if type(value) is tuple and all(type(item) is str for item in value):
        return tuple(map(_text, value))
    return _text(value)
