"""Tracing for LLM applications, from the span to the person.

    import llmtrace

    llmtrace.init_tracing(service_name="support-bot")
    with llmtrace.llm_span(model, messages) as span:
        span.record_output(client.chat.completions.create(model=model, messages=messages))

Everything heavy is loaded on first use: importing llmtrace costs what importing OpenTelemetry's API costs.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

__version__ = "0.1.0.dev0"

if TYPE_CHECKING:
    from llmtrace._head import record_all as record_all
    from llmtrace._provider import flush as flush
    from llmtrace._provider import get_tracer as get_tracer
    from llmtrace._provider import init_tracing as init_tracing
    from llmtrace._provider import shutdown as shutdown
    from llmtrace.alerts import tag_alert as tag_alert
    from llmtrace.context import Prompt as Prompt
    from llmtrace.context import using as using
    from llmtrace.decorators import agent as agent
    from llmtrace.decorators import chain as chain
    from llmtrace.decorators import embedding as embedding
    from llmtrace.decorators import evaluator as evaluator
    from llmtrace.decorators import guardrail as guardrail
    from llmtrace.decorators import llm as llm
    from llmtrace.decorators import reranker as reranker
    from llmtrace.decorators import retrieval as retrieval
    from llmtrace.decorators import tool as tool
    from llmtrace.destinations import Backend as Backend
    from llmtrace.destinations import Spool as Spool
    from llmtrace.exceptions import ConfigurationError as ConfigurationError
    from llmtrace.exceptions import LlmtraceError as LlmtraceError
    from llmtrace.hints import HintRule as HintRule
    from llmtrace.sampling import SamplingPolicy as SamplingPolicy
    from llmtrace.scores import record_score as record_score
    from llmtrace.spans import agent_span as agent_span
    from llmtrace.spans import chain_span as chain_span
    from llmtrace.spans import current_trace_id as current_trace_id
    from llmtrace.spans import embedding_span as embedding_span
    from llmtrace.spans import evaluator_span as evaluator_span
    from llmtrace.spans import guardrail_span as guardrail_span
    from llmtrace.spans import llm_span as llm_span
    from llmtrace.spans import prompt_span as prompt_span
    from llmtrace.spans import record_llm_output as record_llm_output
    from llmtrace.spans import record_retrieval_output as record_retrieval_output
    from llmtrace.spans import reranker_span as reranker_span
    from llmtrace.spans import retrieval_span as retrieval_span
    from llmtrace.spans import tool_span as tool_span

_HOME: Final = {
    "Backend": "destinations",
    "ConfigurationError": "exceptions",
    "HintRule": "hints",
    "LlmtraceError": "exceptions",
    "Prompt": "context",
    "SamplingPolicy": "sampling",
    "Spool": "destinations",
    "agent": "decorators",
    "agent_span": "spans",
    "chain": "decorators",
    "chain_span": "spans",
    "current_trace_id": "spans",
    "embedding": "decorators",
    "embedding_span": "spans",
    "evaluator": "decorators",
    "evaluator_span": "spans",
    "flush": "_provider",
    "get_tracer": "_provider",
    "guardrail": "decorators",
    "guardrail_span": "spans",
    "init_tracing": "_provider",
    "llm": "decorators",
    "llm_span": "spans",
    "prompt_span": "spans",
    "record_all": "_head",
    "record_llm_output": "spans",
    "record_retrieval_output": "spans",
    "record_score": "scores",
    "reranker": "decorators",
    "reranker_span": "spans",
    "retrieval": "decorators",
    "retrieval_span": "spans",
    "shutdown": "_provider",
    "tag_alert": "alerts",
    "tool": "decorators",
    "tool_span": "spans",
    "using": "context",
}
"""Each public name and the module that it lives in."""

__all__ = sorted(_HOME)  # noqa: PLE0605 - a list, and the architecture test holds it to what is visible


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        msg = f"module 'llmtrace' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(f"llmtrace.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
