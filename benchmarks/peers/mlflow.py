"""MLflow's spans. A trace stays in its memory until it ends, so the unit is an agent's span with the LLM's in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

os.environ |= {"MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "false", "MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}

import mlflow
from mlflow.entities import SpanType
from mlflow.tracing.export.mlflow_v3 import MlflowV3SpanExporter
from mlflow.tracing.trace_manager import InMemoryTraceManager
from workload import MESSAGES, MODEL, OUTPUT, PARAMETERS, USAGE

REQUIREMENTS = ("mlflow-tracing==3.17.2", "opentelemetry-sdk==1.45.2")


def release(self: Any, spans: Sequence[Any]) -> None:  # noqa: ARG001 - in place of a method
    """In place of the export: let go of the trace."""
    for span in spans:
        if span.parent is None:
            InMemoryTraceManager.get_instance().pop_trace(span.context.trace_id)


def record() -> None:
    """One LLM call, inside an agent's span."""
    with (
        mlflow.start_span("support", span_type=SpanType.AGENT),
        mlflow.start_span("llm.chat", span_type=SpanType.LLM) as span,
    ):
        span.set_inputs({"model": MODEL, "messages": MESSAGES, **PARAMETERS})
        span.set_outputs(OUTPUT)
        span.set_attribute(
            "mlflow.chat.tokenUsage",
            {
                "input_tokens": USAGE["prompt_tokens"],
                "output_tokens": USAGE["completion_tokens"],
                "total_tokens": USAGE["total_tokens"],
            },
        )


def cases() -> dict[str, Callable[[], None]]:
    """Each case as a function that does one unit of work."""
    MlflowV3SpanExporter.export = release
    mlflow.tracing.set_destination(mlflow.entities.trace_location.MlflowExperimentLocation(experiment_id="0"))
    return {"pair": record}
