"""A record -> the bytes of one OTLP ``Span``, whatever the span holds: no value of one costs another one its place.

Four ways, each for what the one before could not do: our own writer, at a quarter of the reference encoder's cost;
the same after every value was cleaned; the reference encoder; a tombstone that says that a span stood here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status

from llmtrace._forks import importing
from llmtrace._guard import say_once
from llmtrace._ids import NO_STATE
from llmtrace._record import SpanRecord
from llmtrace._span import UNSET_STATUS
from llmtrace._stats import Loss, stats
from llmtrace.exporters.encoded import EncodedSpan, Group, request
from llmtrace.exporters.fitting import made_fit
from llmtrace.exporters.protobuf import Keys, Texts, framed, number_field, put_attributes, text_field
from llmtrace.semconv import trace as keys

_MOST_GROUPS: Final = 256
"""Pairs of resource and scope whose bytes are kept ready."""

_INTERNAL: Final = b"\x30\x01"
_KINDS: Final = {
    SpanKind.INTERNAL: _INTERNAL,
    SpanKind.SERVER: b"\x30\x02",
    SpanKind.CLIENT: b"\x30\x03",
    SpanKind.PRODUCER: b"\x30\x04",
    SpanKind.CONSUMER: b"\x30\x05",
}
_made: Final = tuple.__new__
"""As of a record: for every span."""
_NAMES: Final = Texts(b"\x2a")
_SPAN_KEYS: Final = Keys(b"\x4a")
_EVENT_KEYS: Final = Keys(b"\x1a")
_LINK_KEYS: Final = Keys(b"\x22")
_UNSET: Final = b"\x7a\x00"
_HAS_IS_REMOTE: Final = 0x100
_IS_REMOTE: Final = 0x200
_times: Final = struct.Struct("<BQBQ").pack
_time: Final = struct.Struct("<BQ").pack
_span_flags: Final = struct.Struct("<HI").pack
_LOCAL: Final = _span_flags(0x0185, _HAS_IS_REMOTE)
_BELOW_REMOTE: Final = _span_flags(0x0185, _HAS_IS_REMOTE | _IS_REMOTE)
_link_flags: Final = struct.Struct("<BI").pack


class Encoder:
    """Encodes records. For one thread at a time; the bytes of resources and scopes are kept."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int], tuple[Resource, InstrumentationScope | None, Group]] = {}

    def encode(self, record: SpanRecord) -> EncodedSpan | None:
        """The span's bytes; None, counted, where there is not even a tombstone to be made of it. Never raises."""
        try:
            return _made(EncodedSpan, (span_bytes(record), self._group(record), record.by_rule))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - whatever a hostile value raises, the span takes another way
            return self._another_way(record)

    def _another_way(self, record: SpanRecord) -> EncodedSpan | None:
        for way in (self._cleaned, self._by_reference, self._tombstone):
            try:
                return way(record)
            except BaseException as error:
                if isinstance(error, KeyboardInterrupt):
                    raise
        stats.lose(Loss.NOT_ENCODABLE)
        return None

    def _written(self, record: SpanRecord) -> EncodedSpan:
        return EncodedSpan(span_bytes(record), self._group(record), record.by_rule)

    def _cleaned(self, record: SpanRecord) -> EncodedSpan:
        return self._written(made_fit(record))

    def _by_reference(self, record: SpanRecord) -> EncodedSpan:
        """What the SDK's own encoder makes of the cleaned span; it would log, and leave out, what it cannot take."""
        with importing:
            from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415 - rare

        fit = made_fit(record)
        (of_resource,) = encode_spans([fit]).resource_spans  # type: ignore[list-item] # it has what is asked for
        ((span,),) = [of_scope.spans for of_scope in of_resource.scope_spans]
        return EncodedSpan(span.SerializeToString(), self._group(fit), record.by_rule)

    def _tombstone(self, record: SpanRecord) -> EncodedSpan:
        """The span's place in its trace, and the word that its content could not be sent."""
        bare = record._replace(
            name=record.name if type(record.name) is str and record.name.isascii() else "span",
            attributes={keys.TOMBSTONE: "not encodable"},
            events=(),
            links=(),
            status=Status(),
            resource=record.resource if self._has_group(record) else Resource.get_empty(),
            instrumentation_scope=None,
        )
        made = self._written(bare)
        stats.add("tombstones")
        say_once("otlp:tombstone", "llmtrace: a span could not be encoded; a tombstone was sent in its place")
        return made

    def _has_group(self, record: SpanRecord) -> bool:
        return any(resource is record.resource for resource, _, _ in self._groups.values())

    def _group(self, record: SpanRecord) -> Group:
        # By identity: a resource's hash is that of its JSON.
        resource, scope = record.resource, record.instrumentation_scope
        known = self._groups.get((id(resource), id(scope)))
        if known is None or known[0] is not resource or known[1] is not scope:
            if len(self._groups) >= _MOST_GROUPS:
                self._groups.clear()
            known = (resource, scope, Group(_resource_fields(resource), _scope_fields(scope)))
            self._groups[id(resource), id(scope)] = known
        return known[2]


def encode(records: Sequence[SpanRecord]) -> bytes:
    """The OTLP ``ExportTraceServiceRequest`` of these spans, serialised. Never raises."""
    encoder = Encoder()
    return request(span for span in map(encoder.encode, records) if span is not None)


def span_bytes(record: SpanRecord) -> bytes:
    """One ``Span`` message.

    Raises:
        UnfitError: for a value that OTLP does not carry; hostile types may raise anything.
    """
    name, context, parent, kind, start, end, attributes, events, links, status, _, _, *dropped, _, _, _ = record
    trace_id, span_id, _, _, state, _ = context
    pieces = [b"\x0a\x10", trace_id.to_bytes(16), b"\x12\x08", span_id.to_bytes(8)]
    append = pieces.append
    if state is not NO_STATE and state:
        append(text_field(b"\x1a", ",".join([f"{key}={value}" for key, value in state.items()])))
    if parent:
        pieces += (b"\x22\x08", parent.span_id.to_bytes(8))
    append(_NAMES[name])
    append(_INTERNAL if kind is SpanKind.INTERNAL else _KINDS[kind])
    append(_times(0x39, start, 0x41, end))
    put_attributes(pieces, _SPAN_KEYS, attributes)
    if any(dropped):
        pieces += map(number_field, (b"\x50", b"\x60", b"\x70"), dropped)
    for event in events:
        append(framed(b"\x5a", _event(event)))
    for link in links:
        append(framed(b"\x6a", _link(link)))
    append(_UNSET if status is UNSET_STATUS else _status(status))
    append(_BELOW_REMOTE if parent and parent.is_remote else _LOCAL)
    return b"".join(pieces)


def _event(event: Event) -> bytes:
    pieces = [_time(0x09, event.timestamp) if event.timestamp else b"", text_field(b"\x12", event.name)]
    put_attributes(pieces, _EVENT_KEYS, event.attributes or {})
    pieces.append(number_field(b"\x20", event.dropped_attributes))
    return b"".join(pieces)


def _link(link: Link) -> bytes:
    context: SpanContext = link.context
    pieces = [b"\x0a\x10" + context.trace_id.to_bytes(16, "big") + b"\x12\x08" + context.span_id.to_bytes(8, "big")]
    put_attributes(pieces, _LINK_KEYS, link.attributes or {})
    pieces.append(number_field(b"\x28", link.dropped_attributes))
    pieces.append(_link_flags(0x35, _HAS_IS_REMOTE | (_IS_REMOTE if context.is_remote else 0)))
    return b"".join(pieces)


def _status(status: Status) -> bytes:
    if status.is_unset and not status.description:
        return _UNSET
    return framed(
        b"\x7a", text_field(b"\x12", status.description or "") + number_field(b"\x18", status.status_code.value)
    )


def _resource_fields(resource: Resource) -> bytes:
    return framed(b"\x0a", _collected(b"\x0a", resource.attributes)) + text_field(b"\x1a", resource.schema_url or "")


def _scope_fields(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b"\x0a\x00"
    inner = text_field(b"\x0a", scope.name) + text_field(b"\x12", scope.version or "")
    inner += _collected(b"\x1a", scope.attributes or {})
    return framed(b"\x0a", inner) + text_field(b"\x1a", scope.schema_url or "")


def _collected(tag: bytes, attributes: Any) -> bytes:
    pieces: list[bytes] = []
    put_attributes(pieces, Keys(tag), attributes)
    return b"".join(pieces)
