"""The context managers, one for each OpenInference span kind.

    with llmtrace.llm_span("gpt-4o-mini", messages, temperature=0.2) as span:
        span.record_output(client.chat.completions.create(...))

Each starts its span when the block is entered, makes it current, and ends it when the block is left. An exception is
recorded and passed on unchanged. Without `init_tracing` they do nothing, cheaply.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import SpanKind, get_current_span

from llmtrace import _scope
from llmtrace._attributes import Attributes, put_messages, put_tools, put_value
from llmtrace._guard import guarded
from llmtrace._serialize import to_json, to_text
from llmtrace._span import NOOP_SPAN, SPAN_KEY, NoopSpan, Span, clean_attributes, with_span
from llmtrace._stream import Outcome
from llmtrace._tracer import active
from llmtrace.context import carried, with_values
from llmtrace.semconv import trace as keys

_NOT_AN_ERROR: Final = (CancelledError, GeneratorExit)
_WORKERS: Final = (keys.KIND_AGENT, keys.KIND_CHAIN)
"""The kinds that do the work of a request."""


class SpanScope:
    """The block of one span. May be entered again, or nested in itself: each entry is a span of its own."""

    __slots__ = ("_attributes", "_entered", "_kind", "_name", "_values")

    def __init__(
        self,
        name: str,
        attributes: Attributes,
        values: Mapping[str, Any] | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> None:
        self._name = name
        self._attributes = attributes
        self._values = values
        self._kind = kind
        self._entered: list[tuple[Span | NoopSpan, Context, _scope.Entered]] = []

    def __enter__(self) -> Span | NoopSpan:
        outside = _scope.present(_scope.current())
        span, context = self.open(outside)
        context = with_span(span, context)
        entered = _scope.enter(sys._getframe(1), outside, context, _abandon, span)  # noqa: SLF001 - is it a generator?
        self._entered.append((span, context, entered))
        return span

    def open(self, context: Context) -> tuple[Span | NoopSpan, Context]:
        """Start the span below `context`, without making it current; returns it with the context to go on from."""
        if self._values:
            with guarded("carrying values in the context"):
                context = with_values(context, **self._values)
        return start_span(self._name, dict(self._attributes), context, self._kind), context

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._entered:
            span, _, entered = _scope.take(self._entered)
            _scope.leave(entered)
            finish(span, error)


class NoopScope:
    """The block where nothing is recorded. Without state, so one serves all."""

    __slots__ = ()

    def __enter__(self) -> NoopSpan:
        return NOOP_SPAN

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        return None


_NOOP_SCOPE: Final = NoopScope()


def start_span(
    name: str, attributes: Attributes, context: Context, kind: SpanKind = SpanKind.INTERNAL
) -> Span | NoopSpan:
    """Start a span below `context`, with the values that the context carries."""
    tracer = active.tracer
    if tracer is None:
        return NOOP_SPAN
    if len(context) > 1 or (context and SPAN_KEY not in context):  # more than the current span
        attributes = {**carried(context), **attributes}
    return tracer.start(name, attributes, context, kind)


def finish(span: Span | NoopSpan, error: BaseException | None) -> None:
    """End a span; cancellation and an early close are no errors.

    Where no error ends it and a stream of it was not begun yet, the span ends with the stream instead.
    """
    if isinstance(span, Span):
        stopped = Outcome.CANCELLED if isinstance(error, CancelledError) else Outcome.ABANDONED
        waiting = span.left_behind(stopped)
        if waiting and error is None:
            for pending in waiting:
                pending.then = partial(finish, span)
            return
        if isinstance(error, _NOT_AN_ERROR):
            span.put({keys.STREAM_OUTCOME: stopped.value})
        elif error is not None:
            span.fail(error)
        for pending in waiting:
            pending.finish(stopped)
        if span.root.adopts and span.span_kind in _WORKERS:
            span.root.adopt(span)
        span.end()


def _abandon(span: Span | NoopSpan) -> None:
    finish(span, GeneratorExit())


def scope(
    kind: str,
    name: object,
    attributes: Attributes,
    extra: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> SpanScope:
    """The block of a span of OpenInference kind `kind`."""
    attributes[keys.SPAN_KIND] = kind
    if extra is not None:
        attributes.update(clean_attributes(extra))
    return SpanScope(name if type(name) is str else to_text(name), attributes, values)


def agent_span(
    name: str = "agent",
    *,
    input: Any = None,  # noqa: A002 - OpenInference's word
    user_id: str | None = None,
    session_id: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """An agent: a goal in, an answer out, its steps as spans below.

    Args:
        name: the agent's own name, which is also the span's.
        input: the goal, text or any value; ``input.value``.
        user_id: carried to every span below, as by `using`.
        session_id: carried to every span below, as by `using`.
        attributes: further attributes.
    """
    if active.tracer is None:
        return _NOOP_SCOPE
    into: Attributes = {}
    with guarded("recording input"):
        into[keys.AGENT_NAME] = to_text(name)
        put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, input)
    return scope(keys.KIND_AGENT, name, into, attributes, _who(user_id, session_id))


def chain_span(
    name: str = "chain",
    *,
    input: Any = None,  # noqa: A002 - OpenInference's word
    user_id: str | None = None,
    session_id: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """A step that glues others together: a request, a pipeline, a parse. Arguments as for `agent_span`."""
    if active.tracer is None:
        return _NOOP_SCOPE
    into: Attributes = {}
    with guarded("recording input"):
        put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, input)
    return scope(keys.KIND_CHAIN, name, into, attributes, _who(user_id, session_id))


def llm_span(
    model: str,
    messages: Any = None,
    temperature: float | None = None,
    *,
    tools: Sequence[Any] | None = None,
    name: str = "llm.chat",
    attributes: Mapping[str, Any] | None = None,
    **invocation_parameters: Any,
) -> SpanScope | NoopScope:
    """A call of a model.

    Args:
        model: the model asked for; ``llm.model_name``, replaced by the one that answered.
        messages: the conversation shown to the model: dicts or SDK objects of OpenAI's shape, or one text.
        temperature: an invocation parameter.
        tools: the tools offered, in OpenAI's shape.
        name: the span's name.
        attributes: further attributes.
        **invocation_parameters: max_tokens, top_p ...: recorded as ``llm.invocation_parameters``.
    """
    if active.tracer is None:
        return _NOOP_SCOPE
    into: Attributes = {}
    with guarded("recording input"):
        into[keys.LLM_MODEL_NAME] = to_text(model)
        if temperature is not None:
            invocation_parameters = {"temperature": temperature, **invocation_parameters}
        if invocation_parameters:
            into[keys.LLM_INVOCATION_PARAMETERS] = to_json(invocation_parameters)
        put_messages(into, keys.LLM_INPUT_MESSAGES, messages)
        put_tools(into, tools)
    return scope(keys.KIND_LLM, name, into, attributes)


def tool_span(
    name: str,
    arguments: Any = None,
    *,
    description: str | None = None,
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """A call of a tool.

    Args:
        name: the tool's name; the span is called ``tool.<name>``.
        arguments: what the tool was given, usually a dict; ``input.value`` and ``tool.parameters``.
        description: what the tool is for; ``tool.description``.
        attributes: further attributes.
    """
    if active.tracer is None:
        return _NOOP_SCOPE
    into: Attributes = {}
    with guarded("recording input"):
        into[keys.TOOL_NAME] = to_text(name)
        if description is not None:
            into[keys.TOOL_DESCRIPTION] = to_text(description)
        put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, arguments)
        if arguments is not None:
            into[keys.TOOL_PARAMETERS] = into[keys.INPUT_VALUE]
    return scope(keys.KIND_TOOL, f"tool.{into.get(keys.TOOL_NAME, 'unknown')}", into, attributes)


def retrieval_span(
    query: Any,
    top_k: int | None = None,
    *,
    name: str = "retrieval",
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """A search for documents; `record_documents` on the span takes what was found.

    Args:
        query: what was searched for; ``input.value``.
        top_k: how many documents were asked for.
        name: the span's name.
        attributes: further attributes.
    """
    if active.tracer is None:
        return _NOOP_SCOPE
    into: Attributes = {}
    with guarded("recording input"):
        put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, query)
        if isinstance(top_k, int):
            into[keys.RETRIEVAL_TOP_K] = top_k
    return scope(keys.KIND_RETRIEVER, name, into, attributes)


def _who(user_id: str | None, session_id: str | None) -> dict[str, Any] | None:
    if user_id is None and session_id is None:
        return None
    return {"user_id": user_id, "session_id": session_id}


def current_trace_id() -> str | None:
    """The id of the trace that is current here, as 32 hex characters; None outside any trace."""
    context = get_current_span(_scope.present(_scope.current())).get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def record_llm_output(span: Span | NoopSpan, response: Any) -> None:
    """`span.record_output(response)`, as a function."""
    span.record_output(response)


def record_retrieval_output(span: Span | NoopSpan, documents: Any) -> None:
    """`span.record_documents(documents)`, as a function."""
    span.record_documents(documents)
