"""The baseline: the newest OpenTelemetry SDK, flattened by hand, as is usual: start, two set_attributes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from workload import ANSWER, HUNDRED, MESSAGES, MODEL, OUTPUT, PARAMETERS, TOOL_INPUT, TOOL_OUTPUT

REQUIREMENTS = ("opentelemetry-sdk",)


def flatten(prefix: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """What everybody writes by hand."""
    attributes = {}
    for i, message in enumerate(messages):
        base = f"{prefix}.{i}.message."
        attributes[f"{base}role"] = message["role"]
        if message.get("content") is not None:
            attributes[f"{base}content"] = message["content"]
        if "tool_call_id" in message:
            attributes[f"{base}tool_call_id"] = message["tool_call_id"]
        for j, call in enumerate(message.get("tool_calls") or ()):
            attributes[f"{base}tool_calls.{j}.tool_call.id"] = call["id"]
            attributes[f"{base}tool_calls.{j}.tool_call.function.name"] = call["function"]["name"]
            attributes[f"{base}tool_calls.{j}.tool_call.function.arguments"] = call["function"]["arguments"]
    return attributes


def tracer(sampler: Sampler = ALWAYS_ON, limits: SpanLimits | None = None) -> Any:
    """A provider without processors: what remains is the caller's own cost."""
    return TracerProvider(sampler=sampler, span_limits=limits, shutdown_on_exit=False).get_tracer("bench")


def record(tracer: Any, messages: list[dict[str, Any]]) -> None:
    """One LLM call."""
    with tracer.start_as_current_span("llm.chat") as span:
        span.set_attributes(
            {
                "openinference.span.kind": "LLM",
                "llm.model_name": MODEL,
                "llm.invocation_parameters": json.dumps(PARAMETERS),
                **flatten("llm.input_messages", messages),
            }
        )
        usage = ANSWER["usage"]
        span.set_attributes(
            {
                **flatten("llm.output_messages", [OUTPUT]),
                "llm.finish_reason": "stop",
                "llm.token_count.prompt": usage["prompt_tokens"],
                "llm.token_count.completion": usage["completion_tokens"],
                "llm.token_count.total": usage["total_tokens"],
            }
        )


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    plain, unsampled = tracer(), tracer(ALWAYS_OFF)
    unlimited = tracer(limits=SpanLimits(max_span_attributes=SpanLimits.UNSET))

    def tool() -> None:
        with plain.start_as_current_span("tool.search_docs") as span:
            span.set_attributes({"input.value": json.dumps(TOOL_INPUT)})
            span.set_attributes({"output.value": TOOL_OUTPUT})

    return {
        "llm": lambda: record(plain, MESSAGES),
        "llm-100": lambda: record(unlimited, HUNDRED),
        "tool": tool,
        "off": lambda: record(unsampled, MESSAGES),
        "not-initialised": lambda: record(unsampled, MESSAGES),
    }
