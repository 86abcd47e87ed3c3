"""openinference-instrumentation as its documentation uses it: its tracer, its attribute helper."""

from __future__ import annotations

from collections.abc import Callable

from openinference.instrumentation import OITracer, TraceConfig, get_llm_attributes
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from workload import MESSAGES, MODEL, OUTPUT, PARAMETERS, USAGE

REQUIREMENTS = ("openinference-instrumentation==0.1.72", "opentelemetry-sdk==1.45.2")
TOKENS = {"prompt": USAGE["prompt_tokens"], "completion": USAGE["completion_tokens"], "total": USAGE["total_tokens"]}
SHOWN = [{key: value for key, value in message.items() if value is not None} for message in MESSAGES]


def record(tracer: OITracer) -> None:
    """One LLM call."""
    with tracer.start_as_current_span("llm.chat", openinference_span_kind="llm") as span:
        span.set_attributes(
            get_llm_attributes(model_name=MODEL, invocation_parameters=PARAMETERS, input_messages=SHOWN)
        )
        span.set_attributes(get_llm_attributes(output_messages=[OUTPUT], token_count=TOKENS))


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SpanProcessor())
    tracer = OITracer(provider.get_tracer("bench"), config=TraceConfig())
    tracer.start_as_current_span("support", openinference_span_kind="agent").__enter__()
    return {"llm": lambda: record(tracer)}
