"""Helpers for tests of code that uses llmtrace: `capture_spans` shows what was recorded, and sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from llmtrace._tracer import Tracer, TracerProvider, active


class _Collector(SpanProcessor):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing to do."""

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


@contextmanager
def capture_spans() -> Iterator[list[ReadableSpan]]:
    """Record inside the block as `init_tracing` would, into a list, in the order in which the spans end.

    Nothing is sent, and no thread is started. What was in use before is in use again afterwards.
    """
    collector = _Collector()
    provider = TracerProvider()
    provider.arm(collector, Resource.create({}), ALWAYS_ON)
    before, active.tracer = active.tracer, Tracer(provider, InstrumentationScope("llmtrace"))
    try:
        yield collector.spans
    finally:
        active.tracer = before
