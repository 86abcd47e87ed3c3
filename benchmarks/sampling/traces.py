"""One side of the sampling figures, in a process of its own: runs a round for each line on stdin and prints its cost.

Run by path: ``traces.py CASE ENDPOINT``. A unit of work is a boring trace of eight spans, three of them LLM calls, or
one LLM span; the cost is CPU microseconds of the whole process, flushed, or of the caller's thread.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent.parent)]

from workload import ANSWER, MESSAGES, MODEL, PARAMETERS, TOOL_INPUT, TOOL_OUTPUT  # noqa: E402

UNITS = 2_000
WARM = 200

Case = tuple[Callable[[], object], Callable[[], object], Callable[[], float]]
"""The unit of work, what ends a round, and the clock that it is paid by."""


def nothing() -> None:
    """A round that ends by itself."""


def raw(endpoint: str) -> Case:
    """The SDK with the sampler that everybody uses, attributes built whatever it decides."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - one side only
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - one side only
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - one side only
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415 - one side only
    from peers.raw import record  # noqa: PLC0415 - one side only

    provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.01)))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint)))
    tracer = provider.get_tracer("bench")

    def attribute(name: str, given: dict[str, Any], value: str, inner: Callable[[], None] = nothing) -> None:
        with tracer.start_as_current_span(name) as span:
            span.set_attributes({"openinference.span.kind": name.upper(), "input.value": json.dumps(given)})
            inner()
            span.set_attributes({"output.value": value})

    def turn() -> None:
        attribute("retriever", TOOL_INPUT, TOOL_OUTPUT)
        record(tracer, MESSAGES)
        attribute("tool", TOOL_INPUT, TOOL_OUTPUT)
        record(tracer, MESSAGES)
        attribute("chain", TOOL_INPUT, TOOL_OUTPUT, lambda: attribute("tool", TOOL_INPUT, TOOL_OUTPUT))
        record(tracer, MESSAGES)

    return lambda: attribute("agent", TOOL_INPUT, TOOL_OUTPUT, turn), provider.force_flush, time.process_time


def boring(endpoint: str, **settings: Any) -> Case:
    """The production preset with its default redaction."""
    import llmtrace  # noqa: PLC0415 - one side only

    llmtrace.init_tracing("bench", endpoint=endpoint, spool=False, sampling="production", **settings)

    def tool() -> None:
        with llmtrace.tool_span("search_docs", TOOL_INPUT) as span:
            span.record_output(TOOL_OUTPUT)

    def llm() -> None:
        with llmtrace.llm_span(MODEL, MESSAGES, **PARAMETERS) as span:
            span.record_output(ANSWER)

    def turn() -> None:
        with llmtrace.agent_span("agent", input=TOOL_INPUT) as agent:
            with llmtrace.retrieval_span(TOOL_INPUT["query"], top_k=5) as span:
                span.record_output(TOOL_OUTPUT)
            llm()
            tool()
            llm()
            with llmtrace.chain_span("chain", input=TOOL_INPUT) as chain:
                tool()
                chain.record_output(TOOL_OUTPUT)
            llm()
            agent.record_output(TOOL_OUTPUT)

    return turn, lambda: llmtrace.flush(30), time.process_time


def caller(endpoint: str, sampling: str) -> Case:
    """One LLM span, a trace of its own, as its caller pays for it."""
    import llmtrace  # noqa: PLC0415 - one side only

    llmtrace.init_tracing("bench", endpoint=endpoint, spool=False, sampling=sampling)

    def llm() -> None:
        with llmtrace.llm_span(MODEL, MESSAGES, **PARAMETERS) as span:
            span.record_output(ANSWER)

    return llm, lambda: llmtrace.flush(30), time.thread_time


CASES: dict[str, Callable[[str], Case]] = {
    "raw": raw,
    "boring": boring,
    "boring-metrics": lambda endpoint: boring(endpoint, metrics=endpoint.replace("/v1/traces", "/v1/metrics")),
    "development": lambda endpoint: caller(endpoint, "development"),
    "production": lambda endpoint: caller(endpoint, "production"),
}


def main(case: str, endpoint: str) -> None:
    """Print "ready", then one figure a round."""
    work, finish, clock = CASES[case](endpoint)
    for _ in range(WARM):
        work()
    finish()
    print("ready", flush=True)
    for _ in sys.stdin:
        started = clock()
        for _ in range(UNITS):
            work()
        finish()
        print((clock() - started) / UNITS * 1e6, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:3])
