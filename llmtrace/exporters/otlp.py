"""Records -> OTLP protobuf. A span that cannot be encoded is cleaned; it never takes the rest of its batch with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Status

from llmtrace._record import SpanRecord
from llmtrace._serialize import clean_text, to_text
from llmtrace._stats import Loss, stats


def encode(records: Sequence[SpanRecord]) -> bytes:
    """The OTLP ``ExportTraceServiceRequest`` of these spans, serialised."""
    try:
        return _serialised(records)
    except Exception:  # noqa: BLE001 - whatever a foreign value made the encoder raise, the others must leave
        return _serialised([record for record in map(_encodable, records) if record is not None])


def _serialised(records: Sequence[SpanRecord]) -> bytes:
    # The reference encoder asks only for what SpanRecord has.
    return encode_spans(records).SerializeToString()  # type: ignore[arg-type, no-any-return]


def _encodable(record: SpanRecord) -> SpanRecord | None:
    for candidate in (record, _cleaned(record)):
        try:
            _serialised([candidate])
        except Exception:  # noqa: BLE001, S112 - the next candidate is the answer to it
            continue
        return candidate
    stats.lose(Loss.NOT_ENCODABLE)
    return None


def _cleaned(record: SpanRecord) -> SpanRecord:
    description = record.status.description
    return replace(
        record,
        name=clean_text(to_text(record.name)),
        attributes=_clean_attributes(record.attributes),
        events=[
            Event(clean_text(to_text(event.name)), _clean_attributes(event.attributes or {}), event.timestamp)
            for event in record.events
        ],
        links=[],
        status=Status(record.status.status_code, clean_text(description) if description else None),
    )


def _clean_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {clean_text(to_text(key)): _clean_value(value) for key, value in attributes.items()}


def _clean_value(value: object) -> Any:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)
    return clean_text(to_text(value))
