"""The copy of a kept span that leaves: why it was kept, and how many it stands for, never invented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from llmtrace import _chance
from llmtrace._chance import Said
from llmtrace._guard import swallowed
from llmtrace._head import records_all
from llmtrace._record import SpanRecord
from llmtrace.processors.tail.policies import Ended
from llmtrace.processors.tail.trace import OpenTrace, Verdict
from llmtrace.sampling import Ratio
from llmtrace.semconv import trace as keys

_SEE_ALL: Final = ("AlwaysOnSampler", "ParentBased{root:AlwaysOnSampler")


@dataclass(frozen=True, slots=True)
class Base:
    """What chance said of a trace at its head."""

    is_sampled: bool
    threshold: int | None = None
    """None: it is not known with which probability, or chance said no."""


BaseOf = Callable[[OpenTrace], Base]
"""What chance says of a trace."""
_NOT_SAMPLED: Final = Base(is_sampled=False)


def head_decision(context: SpanContext) -> Base:
    """The decision that the trace's own flag and state carry."""
    if not context.trace_flags & TraceFlags.SAMPLED:
        return _NOT_SAMPLED
    return Base(is_sampled=True, threshold=_chance.read(context.trace_state).threshold)


def of_head(trace: OpenTrace) -> Base:
    """Chance in a provider of ours: what the head said."""
    return head_decision(trace.context)


def joined_decision(ratio: float | Ratio, sampler: Sampler) -> BaseOf:
    """Chance in an application's own provider, whose sampler decides what its own exporters get: our ratio, our dice.

    A caller's decision is respected. Where the application's sampler may hide traces from us, nobody knows what one
    that we see stands for.
    """
    sees_all = records_all(sampler) or sampler.get_description().startswith(_SEE_ALL)

    def base(trace: OpenTrace) -> Base:
        if trace.parent is not None and trace.parent.is_remote:
            return head_decision(trace.context)
        threshold = _threshold(ratio, trace)
        is_known = sees_all or trace.is_ours
        return Base(randomness_of(trace) >= threshold, threshold if is_known else None)

    return base


def _threshold(ratio: float | Ratio, trace: OpenTrace) -> int:
    if not callable(ratio):
        return _chance.threshold(ratio)
    spans = [*trace.spans, *list(trace.came)]
    first = next((span for span in spans if span.parent is None), spans[0] if spans else None)
    try:
        asked = ratio("", {}) if first is None else ratio(first.name, first.attributes or {})
        return _chance.threshold(float(asked))
    except Exception as error:  # noqa: BLE001 - user code
        swallowed("SamplingPolicy.ratio", error)
        return _chance.ALWAYS


def randomness_of(trace: OpenTrace) -> int:
    """What is compared with a threshold."""
    said = _chance.read(trace.context.trace_state).randomness
    return _chance.randomness_of(trace.trace_id) if said is None else said


def exported(span: Ended, verdict: Verdict, *, partial: bool = False) -> SpanRecord:
    """The copy of a kept span: reason, count, threshold, and the sampled flag, which backends may ask for."""
    record = span if isinstance(span, SpanRecord) else SpanRecord.of(span)
    said: dict[str, Any] = {keys.SAMPLING_REASON: verdict.reason.value if verdict.reason else ""}
    if verdict.stands_for_none:
        said[keys.ADJUSTED_COUNT] = 0.0
    elif verdict.threshold is not None:
        said[keys.ADJUSTED_COUNT] = _chance.adjusted_count(verdict.threshold)
    if partial:
        said[keys.SAMPLING_PARTIAL] = True
    attributes = {**record.attributes, **said}
    context = _context(record.context, verdict.threshold)
    # `_replace` would go through all fields by name: twice the cost of all else here.
    fields = (*record[:_CONTEXT], context, *record[_CONTEXT + 1 : _ATTRIBUTES], attributes)
    return SpanRecord._make((*fields, *record[_ATTRIBUTES + 1 : _BY_RULE], verdict.by_rule, *record[_BY_RULE + 1 :]))


_CONTEXT, _ATTRIBUTES, _BY_RULE = map(SpanRecord._fields.index, ("context", "attributes", "by_rule"))


def _context(context: SpanContext, threshold: int | None) -> SpanContext:
    state = _with_threshold(context.trace_state, threshold)
    is_same = state is context.trace_state and context.trace_flags & TraceFlags.SAMPLED
    if is_same:
        return context
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return SpanContext(context.trace_id, context.span_id, context.is_remote, flags, state)


def _with_threshold(state: TraceState, threshold: int | None) -> TraceState:
    if not state:
        return state if threshold is None else _only(threshold)
    said = _chance.read(state)
    if said.threshold == threshold:
        return state
    return _chance.write(state, Said(threshold, said.randomness, said.others))


@lru_cache(1_024)
def _only(threshold: int) -> TraceState:
    """The state that says nothing but this: the same for most of what is kept."""
    return _chance.write(None, Said(threshold))
