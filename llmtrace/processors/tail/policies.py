"""The rules that keep a trace, each on one ended span; what is boring is left to chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.semconv.attributes.exception_attributes import EXCEPTION_TYPE
from opentelemetry.trace import StatusCode

from llmtrace._guard import swallowed
from llmtrace._record import Glance, Seen, SpanRecord, duration_of, held_by
from llmtrace._span import UNSET_STATUS, Span
from llmtrace.sampling import Reason, SamplingPolicy
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

Ended = ReadableSpan | Seen
"""An ended span, as it came, as a glance at it, or as a record."""

INTERRUPTS: Final = frozenset(
    {
        "asyncio.exceptions.CancelledError",
        "asyncio.CancelledError",
        "trio.Cancelled",
        "CancelledError",
        "GeneratorExit",
        "KeyboardInterrupt",
        "SystemExit",
    }
)
"""Exceptions that say that somebody went away, not that something broke."""
_SUMS_OF_OTHERS: Final = frozenset({keys.KIND_AGENT, keys.KIND_CHAIN})
_NANOSECONDS: Final = 1e9


class Rules:
    """The rules of one policy."""

    def __init__(self, policy: SamplingPolicy) -> None:
        self._errors = policy.errors
        self._interrupts = frozenset() if policy.cancelled else INTERRUPTS
        self.slow = float("inf") if policy.slow is None else policy.slow * _NANOSECONDS
        """Nanoseconds."""
        self._cost = policy.cost
        self._keep_if = policy.keep_if
        self.asks_user = policy.keep_if is not None
        self.trace_cost = policy.trace_cost if policy.trace_cost is not None else policy.cost
        self.counts_cost = policy.cost is not None or policy.trace_cost is not None

    def is_plain(self, span: Span) -> bool:
        """Whether one look says that no rule can want this span of ours: true of nearly all of them."""
        return (
            span._status is UNSET_STATUS  # noqa: SLF001 - our own class
            and not span._events  # noqa: SLF001 - our own class
            and self._keep_if is None
            and (span.elapsed or 0) < self.slow
            and keys.KEEP not in span._held  # noqa: SLF001 - our own class
        )

    def spent_by(self, span: ReadableSpan, costs: Sequence[float]) -> float | None:
        """What a span adds to the costs of its trace; None where it costs too much, alone or with the others."""
        attributes = held_by(span)
        if not attributes.get(keys.LLM_COST_TOTAL):
            return 0.0
        own = own_cost(attributes)
        is_dear = self._cost is not None and cost_of(attributes) >= self._cost
        return None if is_dear or (self.trace_cost is not None and sum(costs) + own >= self.trace_cost) else own

    def first_look(self, span: ReadableSpan) -> Reason | None:
        """Why this span keeps its trace, as far as its status and events say so; on the app's thread."""
        if self._errors and span.status.status_code is StatusCode.ERROR:
            return Reason.ERROR
        return self._of_events(span.events)

    def reason_for(self, span: Ended) -> Reason | None:
        """Why this span keeps its trace; a rule that fails keeps it, and is counted."""
        try:
            return self._reason_for(span)
        except Exception as error:  # noqa: BLE001 - hostile values, user code
            swallowed("a rule of the sampling policy", error)
            return Reason.RULE

    def _reason_for(self, span: Ended) -> Reason | None:
        if self._errors and span.status.status_code is StatusCode.ERROR:
            return Reason.ERROR
        # The list itself where there is one: the SDK's property copies it.
        events = span.events if type(span) is SpanRecord else getattr(span, "_events", ())
        reason = self._of_events(events) if events else None
        return reason or self._of_attributes(held_by(span)) or self._of_time_and_choice(span)

    def _of_attributes(self, attributes: Mapping[str, Any]) -> Reason | None:
        if attributes.get(keys.KEEP):
            return Reason.FORCED
        return Reason.COST if self._cost is not None and cost_of(attributes) >= self._cost else None

    def _of_time_and_choice(self, span: Ended) -> Reason | None:
        if duration_of(span) >= self.slow:
            return Reason.SLOW
        return Reason.RULE if self._keep_if is not None and self._keep_if(_readable(span)) else None

    def _of_events(self, events: Any) -> Reason | None:
        reason = None
        for event in events:
            if event.name == alert.EVENT_NAME:
                return Reason.ALERT
            if self._errors and event.name == "exception" and self._is_error(event):
                reason = Reason.ERROR
        return reason

    def _is_error(self, event: Event) -> bool:
        return str((event.attributes or {}).get(EXCEPTION_TYPE)) not in self._interrupts


def _readable(span: Ended) -> ReadableSpan:
    # A record has the reading side of a span.
    return span.whole() if isinstance(span, Glance) else span  # type: ignore[return-value]


def cost_of(attributes: Mapping[str, Any]) -> float:
    """US dollars of one span."""
    value = attributes.get(keys.LLM_COST_TOTAL)
    return float(value) if isinstance(value, int | float) else 0.0


def own_cost(attributes: Mapping[str, Any]) -> float:
    """What a span adds to its trace's cost: an agent's or a chain's is the sum of others."""
    return 0.0 if attributes.get(keys.SPAN_KIND) in _SUMS_OF_OTHERS else cost_of(attributes)
