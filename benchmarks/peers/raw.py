"""The baseline: the newest OpenTelemetry SDK, flattened by hand, as is usual: start, two set_attributes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from workload import ANSWER, HUNDRED, MESSAGES, MODEL, NESTED, OUTPUT, PARAMETERS, TOOL_INPUT, TOOL_OUTPUT

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
    """A provider whose processor does nothing: what remains is the caller's own cost."""
    provider = TracerProvider(sampler=sampler, span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    return provider.get_tracer("bench")


def below_an_agent(tracer: Any, work: Callable[[Any], None]) -> Callable[[], None]:
    """The work, below an agent's span that is open."""
    agent: Any = None

    def run() -> None:
        nonlocal agent
        if agent is None:
            agent = tracer.start_as_current_span("support")
            agent.__enter__()
        work(tracer)

    return run


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


def pair(tracer: Any) -> None:
    """One LLM call, inside an agent's span."""
    with tracer.start_as_current_span("support") as span:
        span.set_attributes({"openinference.span.kind": "AGENT"})
        record(tracer, MESSAGES)


def tool(tracer: Any) -> None:
    """One call of a tool."""
    with tracer.start_as_current_span("tool.search_docs") as span:
        span.set_attributes({"input.value": json.dumps(TOOL_INPUT)})
        span.set_attributes({"output.value": TOOL_OUTPUT})


def nested(tracer: Any) -> None:
    """One call of a tool, with nested arguments."""
    with tracer.start_as_current_span("tool.search_docs") as span:
        span.set_attributes({"input.value": json.dumps(NESTED)})
        span.set_attributes({"output.value": "found"})


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    unlimited = SpanLimits(max_span_attributes=SpanLimits.UNSET)
    return {
        "llm": below_an_agent(tracer(), lambda tracer: record(tracer, MESSAGES)),
        "llm-100": below_an_agent(tracer(limits=unlimited), lambda tracer: record(tracer, HUNDRED)),
        "llm-200": below_an_agent(tracer(limits=unlimited), lambda tracer: record(tracer, MESSAGES * 50)),
        "nested": below_an_agent(tracer(), nested),
        "pair": partial(pair, tracer()),
        "tool": below_an_agent(tracer(), tool),
        "off": below_an_agent(tracer(ALWAYS_OFF), lambda tracer: record(tracer, MESSAGES)),
    }
