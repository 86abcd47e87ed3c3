"""Langfuse's generation; its own span processor does its work, and hands on to nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from langfuse import Langfuse
from opentelemetry.sdk._shared_internal import BatchProcessor
from workload import MESSAGES, MODEL, OUTPUT, PARAMETERS, USAGE

REQUIREMENTS = ("langfuse==5.0.4", "opentelemetry-sdk==1.45.2")


def forget(self: Any, data: Any) -> None:
    """In place of the queue."""


def record(langfuse: Langfuse) -> None:
    """One LLM call."""
    with langfuse.start_as_current_observation(
        as_type="generation", name="llm.chat", model=MODEL, input=MESSAGES, model_parameters=PARAMETERS
    ) as generation:
        generation.update(
            output=OUTPUT,
            usage_details={
                "input": USAGE["prompt_tokens"],
                "output": USAGE["completion_tokens"],
                "total": USAGE["total_tokens"],
            },
        )


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    BatchProcessor.emit = forget
    langfuse = Langfuse(public_key="pk-bench", secret_key="sk-bench", base_url="http://127.0.0.1:9")  # noqa: S106
    langfuse.start_as_current_observation(as_type="agent", name="support").__enter__()
    return {"llm": lambda: record(langfuse)}
