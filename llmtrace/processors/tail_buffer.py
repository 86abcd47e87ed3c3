"""The ended spans of undecided traces: how many, how heavy, and who has to go when they are too many."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from opentelemetry.sdk.trace import Event

from llmtrace._record import SpanRecord, held_by
from llmtrace._stats import stats
from llmtrace.processors.tail_policies import Ended
from llmtrace.processors.tail_trace import OpenTrace
from llmtrace.semconv import trace as keys

SHARE: Final = 4
"""One trace may fill a quarter of the buffer."""
_SPAN: Final = 1_500
"""Bytes of a span without its attributes, roughly."""
_EVENT: Final = 500
_LIGHT: Final = 200
"""What is at most this heavy, a name, a count, a number, stays on a span when its contents go."""


def weight_of(span: Ended) -> int:
    """The bytes of a span, roughly: what its values occupy, without looking into them."""
    attributes = held_by(span)
    weight = _SPAN + 100 * len(attributes) + sum(map(sys.getsizeof, attributes.values()))
    events = span.events if span.__class__ is SpanRecord else getattr(span, "_events", ())
    for event in events or ():
        weight += _EVENT + sum(map(sys.getsizeof, (event.attributes or {}).values()))
    return weight


def lightened(span: Ended) -> SpanRecord:
    """The span without its contents, which says how many of them are gone."""
    record = span if isinstance(span, SpanRecord) else SpanRecord.of(span)
    attributes = _light(record.attributes)
    gone = len(record.attributes) - len(attributes)
    if gone:
        omitted = f"{keys.OMITTED_PREFIX}attributes"
        attributes[omitted] = attributes.get(omitted, 0) + gone
    events = [Event(event.name, _light(event.attributes or {}), event.timestamp) for event in record.events]
    return replace(record, attributes=attributes, events=events)


def _light(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if sys.getsizeof(value) <= _LIGHT}


class Buffer:
    """A bounded store of traces in the order in which they came."""

    def __init__(self, most_spans: int, most_bytes: int) -> None:
        self._most_spans = most_spans
        self._most_bytes = most_bytes
        self._traces: OrderedDict[OpenTrace, None] = OrderedDict()
        self.spans = 0
        self.weight = 0

    def add(self, trace: OpenTrace, span: Ended) -> bool:
        """Hold a span of a trace; True where somebody has to go now."""
        weight = weight_of(span)
        trace.spans.append(span)
        trace.buffered += 1
        trace.weight += weight
        self._traces[trace] = None
        self.spans += 1
        self.weight += weight
        return self._is_full() or self._is_too_big(trace)

    def remove(self, trace: OpenTrace) -> tuple[list[Ended], int]:
        """Give a trace's spans back, and what the held ones weigh."""
        self._traces.pop(trace, None)
        self.spans -= trace.buffered
        self.weight -= trace.weight
        spans, weight = trace.spans, trace.weight
        trace.spans, trace.weight, trace.buffered = [], 0, 0
        return spans, weight

    def to_evict(self, latest: OpenTrace) -> Iterator[OpenTrace]:
        """Make room: contents go first; then traces, which the caller removes one by one."""
        if latest.weight * SHARE > self._most_bytes:
            self._lighten(latest)
        if self._is_too_big(latest):
            yield latest
        if self.weight > self._most_bytes:
            for trace in self._traces:
                if self.weight * 2 <= self._most_bytes:
                    break
                self._lighten(trace)
        while self._traces and self._is_full():
            yield next(iter(self._traces))

    def _is_full(self) -> bool:
        return self.spans > self._most_spans or self.weight > self._most_bytes

    def _is_too_big(self, trace: OpenTrace) -> bool:
        return trace.buffered * SHARE > self._most_spans or trace.weight * SHARE > self._most_bytes

    def _lighten(self, trace: OpenTrace) -> None:
        trace.spans = [lightened(span) for span in trace.spans]
        weight = sum(map(weight_of, trace.spans))
        self.weight += weight - trace.weight
        trace.weight = weight
        if not trace.is_light:
            trace.is_light = True
            stats.add("traces.lightened")

    def __iter__(self) -> Iterator[OpenTrace]:
        return iter(list(self._traces))

    def __len__(self) -> int:
        return len(self._traces)
