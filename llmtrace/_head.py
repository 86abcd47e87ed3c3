"""The head: the sampled flag and the ``tracestate`` that leave this process, an honest decision by chance.

Everything is recorded whatever it decides; what is kept is decided at a trace's end (`processors/tail/__init__.py`).
The SDK's own samplers cannot stand here: those that record all lose the attributes a span starts with, and the SDK
hides the parent's ``tracestate`` from them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.context import Context, create_key
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState, get_current_span
from opentelemetry.util.types import Attributes

from llmtrace import _chance
from llmtrace._chance import Said
from llmtrace._guard import swallowed
from llmtrace._ids import NO_STATE, RANDOMNESS
from llmtrace.sampling import Ratio
from llmtrace.semconv import trace as keys

SAMPLED: Final = TraceFlags.SAMPLED
RANDOM_TRACE_ID: Final = TraceFlags.RANDOM_TRACE_ID

_TRUSTED: Final = create_key("llmtrace-trusted-caller")
_NOTHING_SAID: Final = Said()
_MOST_STATES: Final = 1_024


def trusting(context: Context) -> Context:
    """The context of a request whose caller is believed when it says that it has kept the trace: for the middleware."""
    return Context({**context, _TRUSTED: True})


class Head(Sampler):
    """Decides for a trace's first span; whoever comes after it follows."""

    def __init__(self, ratio: float | Ratio, *, trusts: bool = False) -> None:
        """Make a head.

        Args:
            ratio: the probability, or what says it for a root.
            trusts: believe every caller that has kept a trace; False: those of a `trusting` context.
        """
        self._ratio = ratio if callable(ratio) else None
        self.asks = callable(ratio)
        """Whether the attributes of a root are looked at."""
        self.threshold = _chance.ALWAYS if callable(ratio) else _chance.threshold(ratio)
        """What the randomness of a trace id has to reach, where nobody is asked."""
        self._trusts = trusts
        self._states: dict[int, TraceState] = {}
        self.state = NO_STATE if self.threshold == _chance.NEVER else self._state(self.threshold)
        """That of the traces which reach it."""

    def of_root(
        self, trace_id: int, is_random: int, name: str, attributes: Mapping[str, Any]
    ) -> tuple[int, TraceState | None]:
        """The flag and the state of a trace that begins here; `is_random`: 0 where its id was not made at random."""
        threshold = self.threshold if self._ratio is None else self._asked(name, attributes)
        if is_random:
            if trace_id & RANDOMNESS < threshold:
                return 0, None
            return SAMPLED, self._state(threshold)
        # Whoever comes after us must compare the same randomness.
        randomness = random.getrandbits(_chance.BITS)
        is_sampled = randomness >= threshold
        said = Said(threshold if is_sampled else None, randomness)
        return SAMPLED if is_sampled else 0, _chance.write(None, said)

    def of_remote(self, parent: SpanContext, context: Context) -> tuple[int, TraceState]:
        """The caller's decision, and its state without what it cannot mean."""
        flag, state = parent.trace_flags & SAMPLED, parent.trace_state
        if _chance.VENDOR in state:
            said = _chance.read(state)
            threshold = said.threshold
            if threshold is not None:
                known = _chance.randomness_of(parent.trace_id) if said.randomness is None else said.randomness
                if not flag or known < threshold:
                    threshold = None  # it contradicts the flag: the flag is what others have acted on
            state = _chance.write(state, Said(threshold, said.randomness, said.others))
        if keys.KEPT_STATE in state and not (self._trusts or context.get(_TRUSTED)):
            state = state.delete(keys.KEPT_STATE)
        return flag, state

    def _asked(self, name: str, attributes: Mapping[str, Any]) -> int:
        """The threshold by the user's function; where it fails the trace is kept."""
        try:
            return _chance.threshold(float(self._ratio(name, attributes)))  # type: ignore[misc] # asked before
        except Exception as error:  # noqa: BLE001 - user code
            swallowed("SamplingPolicy.ratio", error)
            return _chance.ALWAYS

    def _state(self, threshold: int) -> TraceState:
        state = self._states.get(threshold)
        if state is None:
            if len(self._states) >= _MOST_STATES:
                self._states.clear()
            state = self._states[threshold] = _chance.write(None, Said(threshold))
        return state

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,  # noqa: ARG002 - OpenTelemetry's signature
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,  # noqa: ARG002 - OpenTelemetry's signature
        trace_state: TraceState | None = None,  # noqa: ARG002 - the parent's context has it
    ) -> SamplingResult:
        """OpenTelemetry's question; nothing is dropped."""
        parent = get_current_span(parent_context).get_span_context()
        state: TraceState | None
        if not parent.is_valid:
            flag, state = self.of_root(trace_id, RANDOM_TRACE_ID, name, attributes or {})
        elif parent.is_remote:
            flag, state = self.of_remote(parent, parent_context or Context())
        else:
            flag, state = parent.trace_flags & SAMPLED, parent.trace_state
        return SamplingResult(Decision.RECORD_AND_SAMPLE if flag else Decision.RECORD_ONLY, attributes, state)

    def get_description(self) -> str:
        """Its name in log lines."""
        return f"llmtrace.Head({'a function' if self._ratio else _chance.probability(self.threshold)})"


class _RecordAll(Sampler):
    def __init__(self, inner: Sampler) -> None:
        self._inner = inner

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        parent_state = get_current_span(parent_context).get_span_context().trace_state
        result = self._inner.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state or parent_state
        )
        sampled = result.decision is Decision.RECORD_AND_SAMPLE
        # A sampler that drops answers without attributes, and the SDK takes those of the answer.
        kept = {**(attributes or {}), **(result.attributes or {})}
        state = result.trace_state or parent_state
        return SamplingResult(Decision.RECORD_AND_SAMPLE if sampled else Decision.RECORD_ONLY, kept, state)

    def get_description(self) -> str:
        return f"llmtrace.record_all({self._inner.get_description()})"


def record_all(sampler: Sampler) -> Sampler:
    """For an application's own provider: every span is recorded, and its sampled flag stays what `sampler` decides.

    The application's exporters receive what they would have received; llmtrace sees the rest as well, so that an error
    in a span of the application keeps its trace: ``TracerProvider(sampler=llmtrace.record_all(existing))``.
    """
    return _RecordAll(sampler)


def records_all(sampler: Sampler) -> bool:
    """Whether a provider with this sampler shows us every span."""
    return isinstance(sampler, _RecordAll | Head)
