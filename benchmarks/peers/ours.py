"""llmtrace, with its default settings: redaction, caps and `using` on; nothing is sent anywhere."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from workload import ANSWER, HUNDRED, MESSAGES, MODEL, PARAMETERS, TOOL_INPUT, TOOL_OUTPUT

import llmtrace
from llmtrace import _provider

REQUIREMENTS = ()
"""Installed in the environment that runs the benchmarks."""


class Nothing(SpanProcessor):
    """In place of the pipeline: what remains is the caller's own cost, as in the baseline."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing."""

    def on_end(self, span: ReadableSpan) -> None:
        """Nothing."""


def record(messages: list) -> None:
    """One LLM call."""
    with llmtrace.llm_span(MODEL, messages, **PARAMETERS) as span:
        span.record_output(ANSWER)


@llmtrace.tool
def search_docs(query: str, top_k: int) -> str:  # noqa: ARG001 - a tool has arguments
    """Search."""
    return TOOL_OUTPUT


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""

    def not_initialised() -> None:
        record(MESSAGES)

    return {
        "llm": initialised(lambda: record(MESSAGES)),
        "llm-100": initialised(lambda: record(HUNDRED)),
        "tool": initialised(lambda: search_docs(**TOOL_INPUT)),
        "off": initialised(lambda: record(MESSAGES), sampling="off"),
        "not-initialised": not_initialised,
        "using": initialised(lambda: record(MESSAGES), using=True),
    }


def initialised(work: Callable[[], None], sampling: str = "development", *, using: bool = False) -> Callable[[], None]:
    """The same work after `init_tracing`, which happens at the first call: each case runs in a process of its own."""
    ready = False

    def run() -> None:
        nonlocal ready
        if not ready:
            ready = True
            llmtrace.init_tracing("bench", endpoint="http://127.0.0.1:9", sampling=sampling)
            running = _provider._running  # noqa: SLF001 - the pipeline is what is not measured here
            if running is not None and running.source.enabled:
                running.source._relay.target = Nothing()  # noqa: SLF001
            if using:
                llmtrace.using(user_id="u-1", session_id="s-1", tags=["beta"], metadata={"tenant": "acme"}).__enter__()
            llmtrace.agent_span("support").__enter__()
        work()

    return run
