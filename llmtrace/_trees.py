"""Ended spans as the trees that they are: each below its parent, in the order in which they began."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

from opentelemetry.trace import SpanContext


class Node(Protocol):
    """What is asked of a span, an SDK's or a record."""

    @property
    def context(self) -> SpanContext:
        """Its ids."""

    @property
    def parent(self) -> SpanContext | None:
        """Its parent's."""

    @property
    def start_time(self) -> int | None:
        """When it began."""


N = TypeVar("N", bound=Node)


def walk(spans: Iterable[N]) -> Iterator[tuple[N, int]]:
    """Each span with its depth, a parent before its children; one whose parent is not there is a root."""
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    known = {span.context.span_id for span in ordered}
    below: dict[int | None, list[N]] = {}
    for span in ordered:
        parent = span.parent.span_id if span.parent is not None and span.parent.span_id in known else None
        below.setdefault(parent, []).append(span)
    # Not by recursion: a chain of agents may be deeper than Python's stack.
    waiting = [(span, 0) for span in reversed(below.pop(None, []))]
    while waiting:
        span, depth = waiting.pop()
        yield span, depth
        waiting += [(child, depth + 1) for child in reversed(below.pop(span.context.span_id, []))]
