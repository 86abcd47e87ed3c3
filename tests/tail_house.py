"""A tail sampler with a clock that the test sets, fed by real spans of our own tracer."""

from __future__ import annotations

import itertools
from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from llmtrace import _chance
from llmtrace._head import Head
from llmtrace._record import SpanRecord
from llmtrace._span import Span
from llmtrace._tracer import Tracer, TracerProvider
from llmtrace.processors.tail import TailSampling
from llmtrace.sampling import SamplingPolicy
from llmtrace.semconv import trace as keys

SECOND = 1_000_000_000


class Ids(IdGenerator):
    """Trace ids whose randomness the test chooses: `lucky` ones are kept at any ratio above 0, the others at none."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self.lucky = False

    def generate_span_id(self) -> int:
        return next(self._count)

    def generate_trace_id(self) -> int:
        number = next(self._count)
        return (number << 64) | ((_chance.END - number) if self.lucky else number)

    def is_trace_id_random(self) -> bool:
        return True


class House(SpanProcessor):
    """Spans begin and end when the test says so; `kept` is what came out, in its order."""

    is_quick = False
    """Whether spans end on the app's thread, as where nobody else looks at them."""

    def __init__(self, policy: SamplingPolicy | None = None, **settings: Any) -> None:
        self.now = 1_000 * SECOND
        self.policy = policy or SamplingPolicy()
        self.tail = TailSampling(self.policy, clock=lambda: self.now, **settings)
        self.kept: list[SpanRecord] = []
        self.ids = Ids()
        self._provider = TracerProvider()
        self._provider.arm(self, Resource.get_empty(), Head(self.policy.ratio, trusts=self.policy.trust_upstream))
        self._provider.id_generator = self.ids
        self._tracer = Tracer(self._provider, InstrumentationScope("test"))

    def on_start(self, span, parent_context=None) -> None:
        span.started = self.now
        self.tail.started(span, parent_context)

    def _on_ending(self, span) -> None:
        pass

    def on_end(self, span) -> None:
        span.elapsed = self.now - span.started
        if not self.is_quick:
            self.kept += self.tail.take(span)
        elif (item := self.tail.end(span)) is not None:
            self.kept += self.tail.attend(item)

    def start(self, name: str, parent: Span | SpanContext | None = None, **attributes: Any) -> Span:
        """Begin a span; `parent`: an open span, or the context of one in another process."""
        context = Context()
        if isinstance(parent, SpanContext):
            context = set_span_in_context(NonRecordingSpan(parent), context)
        elif parent is not None:
            context = set_span_in_context(parent, context)
        span = self._tracer.start(name, attributes, context)
        span.started = self.now  # `on_start` is not asked about a child of a trace that the tail knows
        return span

    def run(self, name: str, parent: Span | SpanContext | None = None, **attributes: Any) -> Span:
        """A span that begins and ends."""
        span = self.start(name, parent, **attributes)
        span.end()
        return span

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now += round(seconds * SECOND)
        self.kept += self.tail.tick()

    def close(self) -> None:
        """The process ends."""
        self.kept += self.tail.close()

    @property
    def names(self) -> list[str]:
        return [record.name for record in self.kept]

    @property
    def reasons(self) -> set[str]:
        return {record.attributes[keys.SAMPLING_REASON] for record in self.kept}

    @property
    def is_empty(self) -> bool:
        """Whether nothing is held of any trace but verdicts."""
        tail = self.tail
        held = (tail._open.traces, tail._open.births, tail._timers, tail._buffer, tail._grave)
        return not any(map(len, held[:-1])) and not tail._grave and not tail._buffer.spans and not tail._buffer.weight


def remote(trace_id: int = 7 << 64 | 9, *, sampled: bool = False, state: str = "") -> SpanContext:
    """The context of a caller in another process."""
    entries = [tuple(entry.split("=", 1)) for entry in state.split(",") if entry]
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else 0)
    return SpanContext(trace_id, 5, is_remote=True, trace_flags=flags, trace_state=TraceState(entries))


def counts(records: list[SpanRecord]) -> set[float | None]:
    """The adjusted counts that the records carry, rounded."""
    found = (record.attributes.get(keys.ADJUSTED_COUNT) for record in records)
    return {count if count is None else round(count, 3) for count in found}
