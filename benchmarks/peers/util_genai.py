"""opentelemetry-util-genai, content on the span, as OpenTelemetry's own instrumentors use it."""

from __future__ import annotations

import os
from collections.abc import Callable

os.environ |= {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
}

from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.util.genai.handler import TelemetryHandler
from opentelemetry.util.genai.types import (
    InputMessage,
    OutputMessage,
    TextPart,
    ToolCallRequestPart,
    ToolCallResponsePart,
)
from workload import ARGUMENTS, MESSAGES, MODEL, OUTPUT, PARAMETERS, USAGE

REQUIREMENTS = ("opentelemetry-util-genai==1.3b0", "opentelemetry-sdk==1.45.2")


def record(handler: TelemetryHandler) -> None:
    """One LLM call."""
    with handler.inference("openai", request_model=MODEL) as call:
        system, user, _, tool = MESSAGES
        call.input_messages = [
            InputMessage(role="system", parts=[TextPart(content=system["content"])]),
            InputMessage(role="user", parts=[TextPart(content=user["content"])]),
            InputMessage(
                role="assistant", parts=[ToolCallRequestPart(arguments=ARGUMENTS, name="search_docs", id="call_1")]
            ),
            InputMessage(role="tool", parts=[ToolCallResponsePart(response=tool["content"], id="call_1")]),
        ]
        call.temperature = PARAMETERS["temperature"]
        call.max_tokens = PARAMETERS["max_tokens"]
        call.output_messages = [
            OutputMessage(role="assistant", parts=[TextPart(content=OUTPUT["content"])], finish_reason="stop")
        ]
        call.input_tokens = USAGE["prompt_tokens"]
        call.output_tokens = USAGE["completion_tokens"]


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    handler = TelemetryHandler(tracer_provider=provider)
    provider.get_tracer("bench").start_as_current_span("support").__enter__()
    return {"llm": lambda: record(handler)}
