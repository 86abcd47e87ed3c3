"""Traceloop's manual reporting. It takes neither tool calls nor parameters: those are not recorded."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable

from opentelemetry.sdk.trace import SpanProcessor
from traceloop.sdk import Traceloop
from traceloop.sdk.tracing.context_manager import get_tracer
from traceloop.sdk.tracing.manual import LLMMessage, LLMUsage, track_llm_call
from workload import MESSAGES, MODEL, OUTPUT, USAGE

REQUIREMENTS = ("traceloop-sdk==0.62.4", "httpx")


def record() -> None:
    """One LLM call."""
    with track_llm_call(vendor="openai", type="chat") as span:
        shown = [LLMMessage(role=message["role"], content=message["content"] or "") for message in MESSAGES]
        span.report_request(model=MODEL, messages=shown)
        span.report_response(MODEL, [OUTPUT["content"]])
        span.report_usage(LLMUsage(**USAGE))


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    with contextlib.redirect_stdout(io.StringIO()):
        Traceloop.init(app_name="bench", processor=SpanProcessor(), instruments=set(), telemetry_enabled=False)
    with get_tracer() as tracer:
        tracer.start_as_current_span("support").__enter__()
    return {"llm": record}
