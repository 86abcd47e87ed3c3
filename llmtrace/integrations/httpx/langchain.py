"""The span of the LangChain model that calls. Its instrumentor makes none of its spans current, so the stack says.

A model runs with its run's manager in hand, whose id the instrumentor knows the span by.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

from opentelemetry.trace import Span as ApiSpan

_INSTRUMENTATION: Final = "openinference.instrumentation.langchain"
_MODELS: Final = "langchain_core.language_models."
_DEEPEST: Final = 200


def model_span() -> ApiSpan | None:
    """The span, open, of the LangChain model that is calling; None where none is, or nobody records it."""
    instrumentation = sys.modules.get(_INSTRUMENTATION)
    if instrumentation is None:
        return None
    tracer = getattr(instrumentation.LangChainInstrumentor(), "_tracer", None)
    run_id = None if tracer is None else _run_id(sys._getframe())  # noqa: SLF001 - who is calling?
    if tracer is None or run_id is None:
        return None
    span: ApiSpan | None = tracer.get_span(run_id)
    return span if span is not None and span.is_recording() else None


def _run_id(frame: FrameType | None) -> object:
    """The id of the innermost run of a model on the stack."""
    for _ in range(_DEEPEST):
        if frame is None:
            break
        if str(frame.f_globals.get("__name__")).startswith(_MODELS):
            names = frame.f_locals
            manager = names.get("run_manager") or next(iter(names.get("run_managers") or ()), None)
            run_id: object = getattr(manager, "run_id", None)
            if run_id is not None:
                return run_id
        frame = frame.f_back
    return None
