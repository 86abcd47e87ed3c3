"""What metrics and hints cost on the worker: a boring trace of 8 spans (3 LLM), beside the raw SDK's, unsampled.

The trace as a whole may cost 0.8 of the raw SDK's without metrics and 2.5 with them, so that this part has 1.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import median
from time import thread_time
from typing import Any, Final

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

import llmtrace
from benchmarks.rows import Row
from benchmarks.workload import ANSWER, MESSAGES, MODEL, PARAMETERS, TOOL_INPUT, TOOL_OUTPUT
from llmtrace._metering import Meters, MeterStore
from llmtrace._record import Glance
from llmtrace.exporters.app_meters import AppMeters
from llmtrace.hints import DEFAULTS
from llmtrace.processors.alert_hints import AlertHints
from llmtrace.processors.span_metrics import SpanMetrics
from llmtrace.testing import capture_spans

TITLE: Final = "Metrics and hints, of every span before sampling"
TRACES: Final = 200
ROUNDS: Final = 15
DOCUMENTS: Final = [{"id": str(place), "content": "d" * 200, "score": 0.5} for place in range(5)]


def measure() -> Iterable[Row]:
    """Both together, and each destination of the metrics."""
    spans = boring()
    tracer = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.01))).get_tracer("raw")
    baseline = partial_rounds(lambda: raw(tracer))
    own, app = MeterStore(), AppMeters(MeterProvider([InMemoryMetricReader()], shutdown_on_exit=False))
    for figure, look, limit in (
        ("metrics that llmtrace sends itself", look_with(own), 1.7),
        ("metrics in the application's MeterProvider", look_with(app), None),
        ("the default hint rules", hints, 0.3),
    ):
        pairs = [(look(spans), base) for base in baseline()]
        yield Row(
            f"{figure}, a boring trace of 8 spans / the raw SDK's, unsampled",
            median(cost / base for cost, base in pairs),
            limit,
            detail=f"{median(cost for cost, _ in pairs) * 1e6:.0f} / {median(base for _, base in pairs) * 1e6:.0f} µs",
        )


def partial_rounds(work: Callable[[], None]) -> Callable[[], Iterable[float]]:
    """Rounds of the baseline, each just before one of ours."""

    def rounds() -> Iterable[float]:
        for _ in range(ROUNDS):
            started = thread_time()
            for _ in range(TRACES):
                work()
            yield (thread_time() - started) / TRACES

    return rounds


def look_with(meters: Meters) -> Callable[[list[ReadableSpan]], float]:
    """Seconds that it takes to measure one trace."""
    observe = SpanMetrics(meters, str)
    return lambda spans: timed(observe, spans)


def hints(spans: list[ReadableSpan]) -> float:
    """Seconds that the rules take for one trace."""
    return timed(AlertHints(DEFAULTS), spans)


def timed(look: Callable[[Any], Any], spans: list[ReadableSpan]) -> float:
    """Seconds of one trace, with the glance that the worker takes at each span."""
    started = thread_time()
    for _ in range(TRACES):
        for span in spans:
            look(Glance(span))
    return (thread_time() - started) / TRACES


def boring() -> list[ReadableSpan]:
    """An agent that retrieves, asks a model three times and calls three tools."""
    with capture_spans() as spans, llmtrace.agent_span("support", input="question") as agent:
        with llmtrace.retrieval_span("question", top_k=5) as span:
            span.record_documents(DOCUMENTS)
        for _ in range(3):
            with llmtrace.llm_span(MODEL, MESSAGES, **PARAMETERS) as span:
                span.record_output(ANSWER)
            with llmtrace.tool_span("search_docs", TOOL_INPUT) as span:
                span.record_output(TOOL_OUTPUT)
        agent.record_output("answer")
    return list(spans)


def raw(tracer: Any) -> None:
    """The same with the SDK, attributes built whether anybody wants them or not."""
    with tracer.start_as_current_span("support") as agent:
        agent.set_attributes({"openinference.span.kind": "AGENT", "input.value": "question", "output.value": "answer"})
        with tracer.start_as_current_span("retrieval") as span:
            span.set_attributes(
                {"openinference.span.kind": "RETRIEVER", **flat("retrieval.documents", "document", DOCUMENTS)}
            )
        for _ in range(3):
            with tracer.start_as_current_span("llm.chat") as span:
                usage = {f"llm.token_count.{key}": value for key, value in ANSWER["usage"].items()}
                said = flat("llm.input_messages", "message", MESSAGES)
                span.set_attributes({"openinference.span.kind": "LLM", "llm.model_name": MODEL, **said, **usage})
            with tracer.start_as_current_span("tool.search_docs") as span:
                span.set_attributes({"openinference.span.kind": "TOOL", "output.value": TOOL_OUTPUT})


def flat(listing: str, item: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    """Flattened by hand."""
    return {
        f"{listing}.{place}.{item}.{key}": value
        for place, entry in enumerate(entries)
        for key, value in entry.items()
        if isinstance(value, str | float)
    }
