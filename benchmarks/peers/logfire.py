"""Logfire's span with its defaults, the scrubbing of secrets on the caller's thread among them; nothing is sent."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import logfire
from opentelemetry.sdk.trace import SpanProcessor
from workload import MESSAGES, MODEL, OUTPUT, PARAMETERS, USAGE

REQUIREMENTS = ("logfire==5.2.0", "opentelemetry-sdk==1.45.2")


def record() -> None:
    """One LLM call."""
    with logfire.span("llm.chat", model=MODEL, messages=MESSAGES, parameters=PARAMETERS) as span:
        span.set_attributes({"output": OUTPUT, "usage": USAGE})


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    warnings.simplefilter("ignore")
    logfire.configure(send_to_logfire=False, console=False, metrics=False, additional_span_processors=[SpanProcessor()])
    logfire.span("support").__enter__()
    return {"llm": record}
