"""A record with every value in the form that OTLP carries: lone surrogates, huge integers and foreign types cleaned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, Status

from llmtrace._record import SpanRecord
from llmtrace._values.serialize import clean_text, to_text

_INT64: Final = 2**63


def made_fit(record: SpanRecord) -> SpanRecord:
    """The same span, readable by any encoder; may raise for a span whose very containers are foreign."""
    description = record.status.description
    return record._replace(
        name=_text(record.name),
        start_time=_moment(record.start_time),
        end_time=_moment(record.end_time),
        attributes=_attributes(record.attributes),
        events=[
            Event(_text(event.name), _attributes(event.attributes or {}), _moment(event.timestamp))
            for event in record.events
        ],
        links=[Link(link.context, _attributes(link.attributes or {})) for link in record.links],
        status=Status(record.status.status_code, _text(description) if description else None),
        resource=Resource(_attributes(record.resource.attributes), clean_text(record.resource.schema_url or "")),
        instrumentation_scope=_scope(record.instrumentation_scope),
    )


def _scope(scope: InstrumentationScope | None) -> InstrumentationScope | None:
    if scope is None:
        return None
    attributes = _attributes(scope.attributes or {})
    return InstrumentationScope(
        _text(scope.name), _text(scope.version or ""), clean_text(scope.schema_url or ""), attributes
    )


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {_text(key): _value(value) for key, value in attributes.items()}


def _text(value: object) -> str:
    return clean_text(to_text(value))


def _moment(nanoseconds: Any) -> int:
    """A time since the epoch; who gave seconds as a float, or a time before 1970, gets the nearest that can be sent."""
    try:
        return min(max(0, int(nanoseconds)), 2 * _INT64 - 1)
    except (TypeError, ValueError, OverflowError):
        return 0


def _value(value: object) -> Any:
    kind = type(value)  # compared by identity: a metaclass may raise when it is asked for equality
    if kind is tuple or kind is list:
        items: list[Any] = list(value)  # type: ignore[call-overload] # it is one of the two
        if all(_is_scalar(item) for item in items):
            return [_scalar(item) for item in items]
        return _text(value)
    return _scalar(value)


def _is_scalar(value: object) -> bool:
    kind = type(value)
    return kind is str or kind is int or kind is bool or kind is float


def _scalar(value: object) -> Any:
    kind = type(value)
    if kind is bool or kind is float:
        return value
    if kind is int and -_INT64 <= value < _INT64:  # type: ignore[operator] # it is an int
        return value
    return _text(value)
