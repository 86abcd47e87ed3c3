"""A span that is too large for its backend: its largest values are cut; what is still too large becomes a tombstone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from llmtrace._forks import importing
from llmtrace.semconv import trace as keys

if TYPE_CHECKING:
    from opentelemetry.proto.trace.v1.trace_pb2 import Span

SMALLEST: Final = 4_096
"""Below this many bytes nothing is cut any more."""
_LEFT: Final = 200
"""Characters that stay of a text at least, and bytes of a value that is worth cutting."""


def shrunk(data: bytes, target: int) -> bytes:
    """The span in about so many bytes: its longest texts cut, its largest lists left out, and each said on it."""
    span = _parsed(data)
    excess = len(data) - target
    values = sorted(_values(span), key=lambda found: -found[1].ByteSize())
    for attributes, pair in values:
        size = pair.ByteSize()
        if excess <= 0 or size <= _LEFT:
            break
        if pair.value.HasField("string_value"):
            _cut(attributes, pair, excess)
            excess -= size - pair.ByteSize()
        else:
            _put(attributes, f"{keys.OMITTED_PREFIX}{pair.key}", size)
            attributes.remove(pair)
            excess -= size
    return bytes(span.SerializeToString())


def tombstone(data: bytes, why: str) -> bytes:
    """What stands in a span's place: its ids, name, kind, times and status code, and why."""
    span = _parsed(data)
    del span.attributes[:], span.events[:], span.links[:]
    span.status.message = ""
    span.name = span.name[:_LEFT]
    span.trace_state = ""
    span.attributes.add(key=keys.TOMBSTONE).value.string_value = why
    return bytes(span.SerializeToString())


def _parsed(data: bytes) -> Span:
    with importing:
        from opentelemetry.proto.trace.v1 import trace_pb2  # noqa: PLC0415 - rare

    span: Span = trace_pb2.Span.FromString(data)
    return span


def _values(span: Span) -> list[tuple[Any, Any]]:
    holders = [span.attributes, *(event.attributes for event in span.events)]
    return [(attributes, pair) for attributes in holders for pair in attributes]


def _cut(attributes: Any, pair: Any, excess: int) -> None:
    text: str = pair.value.string_value
    size = len(text.encode())
    kept = max(_LEFT, len(text) * max(0, size - excess - _LEFT) // size)
    if kept < len(text):
        pair.value.string_value = f"{text[:kept]}…[truncated, {len(text)} characters]"
        _put(attributes, f"{keys.TRUNCATED_PREFIX}{pair.key}", len(text))


def _put(attributes: Any, key: str, number: int) -> None:
    if not any(pair.key == key for pair in attributes):
        attributes.add(key=key).value.int_value = number
