"""An encoded span: the bytes of one OTLP ``Span``, and which resource and scope it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from llmtrace.exporters.protobuf import varint

_SPAN: Final = b"\x12"
"""``ScopeSpans.spans``."""
_SCOPE_SPANS: Final = b"\x12"
_RESOURCE_SPANS: Final = b"\x0a"


class Group(NamedTuple):
    """Where a span stands in a request: the encoded fields of its resource and of its scope."""

    # A tuple, as the span: what hashes it is written in C, and it is looked up for each span.

    resource: bytes
    """The fields of ``ResourceSpans`` but its spans."""
    scope: bytes
    """The fields of ``ScopeSpans`` but its spans."""


class EncodedSpan(NamedTuple):
    """A span on its way: what is sent, and what is written to the spool."""

    # A tuple: a frozen dataclass takes three times as long to make.

    data: bytes
    """One ``Span`` message."""
    group: Group
    by_rule: bool = False
    """A rule kept it: it goes before what chance kept, and is given up after it."""

    @property
    def size(self) -> int:
        """Bytes that it takes in memory and on disk, but for a few."""
        return len(self.data)


def request(spans: Iterable[EncodedSpan]) -> bytes:
    """The ``ExportTraceServiceRequest`` of these spans: by resource, in it by scope, each in the order of arrival."""
    resources: dict[bytes, dict[bytes, list[bytes]]] = {}
    for span in spans:
        scopes = resources.setdefault(span.group.resource, {})
        scopes.setdefault(span.group.scope, []).append(span.data)
    # Joined once, at the end: a request has megabytes.
    pieces: list[bytes] = []
    for resource, scopes in resources.items():
        inner = [resource]
        for scope, found in scopes.items():
            inner += _opened(_SCOPE_SPANS, [scope, *(piece for data in found for piece in _span_pieces(data))])
        pieces += _opened(_RESOURCE_SPANS, inner)
    return b"".join(pieces)


def _opened(tag: bytes, pieces: list[bytes]) -> list[bytes]:
    """A field that holds these pieces together."""
    return [tag + varint(sum(map(len, pieces))), *pieces]


def _span_pieces(data: bytes) -> tuple[bytes, bytes]:
    return _SPAN + varint(len(data)), data
