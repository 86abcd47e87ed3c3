"""The ended spans of undecided traces: how many, how heavy, and who has to go when they are too many."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import Event

from llmtrace._record import SpanRecord, held_by
from llmtrace._stats import stats
from llmtrace.processors.tail.policies import Ended
from llmtrace.processors.tail.trace import OpenTrace
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
    return record._replace(attributes=attributes, events=events)


def _light(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if sys.getsizeof(value) <= _LIGHT}


class Buffer:
    """A bounded store of traces in the order in which they came.

    Spans are weighed when the worker pauses: most traces are over by then, and cost nothing here.
    """

    def __init__(self, most_spans: int, most_bytes: int, find: Callable[[int], OpenTrace | None]) -> None:
        self._find = find
        self._most_spans = most_spans
        self._most_bytes = most_bytes
        self._traces: OrderedDict[OpenTrace, None] = OrderedDict()
        self._fresh: deque[int] = deque()
        """By their ids: most are dropped before they are looked at, and nothing should hold them until then."""
        self.spans = 0
        self.weight = 0

    def hold(self, trace: OpenTrace) -> None:
        """A span was added to this undecided trace; also on the app's threads."""
        trace.is_fresh = True
        self._fresh.append(trace.trace_id)

    def remove(self, trace: OpenTrace) -> list[Ended]:
        """Give a trace's spans back."""
        trace.gather()
        spans, trace.spans = list(trace.spans), ()
        if trace.buffered:
            del self._traces[trace]
            self.spans -= trace.buffered
            self.weight -= trace.weight
            trace.weight = trace.buffered = 0
        return spans

    def to_evict(self) -> Iterator[OpenTrace]:
        """Weigh what came, and make room: contents go first; then traces, which the caller removes one by one."""
        for _ in range(len(self._fresh)):
            trace = self._find(self._fresh.popleft())
            if trace is None:
                continue
            trace.is_fresh = False  # before the spans are gathered: one that comes now is noted again
            if trace.verdict is None and trace.own():
                self._weigh(trace)
                trace.disown()
                if trace.weight * SHARE > self._most_bytes:
                    self._lighten(trace)
                if trace.buffered * SHARE > self._most_spans or trace.weight * SHARE > self._most_bytes:
                    yield trace
        if self.weight > self._most_bytes:
            for trace in self._traces:
                if self.weight * 2 <= self._most_bytes:
                    break
                self._lighten(trace)
        while self._traces and self._is_full():
            yield next(iter(self._traces))

    def _weigh(self, trace: OpenTrace) -> None:
        trace.gather()
        came = trace.spans[trace.buffered :]
        weight = sum(map(weight_of, came))
        trace.buffered += len(came)
        trace.weight += weight
        self.spans += len(came)
        self.weight += weight
        self._traces[trace] = None

    def _is_full(self) -> bool:
        return self.spans > self._most_spans or self.weight > self._most_bytes

    def _lighten(self, trace: OpenTrace) -> None:
        trace.spans = [lightened(span) for span in trace.spans]
        weight = sum(map(weight_of, trace.spans))
        self.weight += weight - trace.weight
        trace.weight = weight
        if not trace.is_light:
            trace.is_light = True
            stats.add("traces.lightened")

    def all(self) -> list[OpenTrace]:
        """Every undecided trace with a span, weighed or not."""
        fresh = [trace for trace in map(self._find, list(self._fresh)) if trace is not None and trace.verdict is None]
        return list({**self._traces, **dict.fromkeys(fresh)})

    def __len__(self) -> int:
        return len(self._traces)
