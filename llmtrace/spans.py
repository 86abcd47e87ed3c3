"""The context managers, one for each OpenInference span kind.

    with llmtrace.llm_span("gpt-4o-mini", messages, temperature=0.2) as span:
        span.record_output(client.chat.completions.create(...))

Each starts its span when the block is entered, makes it current, and ends it when the block is left. An exception is
recorded and passed on unchanged. Without `init_tracing` they do nothing, cheaply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.trace import get_current_span

from llmtrace import _inputs, _scope
from llmtrace._attributes import Attributes
from llmtrace._attributes.late import put_later, put_plain
from llmtrace._attributes.values import put_value
from llmtrace._block import NOOP_SCOPE, NoopScope, SpanScope, scope
from llmtrace._guard import flattening, swallowed
from llmtrace._noop import NoopSpan
from llmtrace._span import Span
from llmtrace._tracer import active
from llmtrace._values.serialize import to_text
from llmtrace.context import Prompt, prompt_values
from llmtrace.semconv import trace as keys


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
        return NOOP_SCOPE
    into: Attributes = {}
    if type(name) is str:
        into[keys.AGENT_NAME] = to_text(name)
    else:
        with flattening("recording input"):
            into[keys.AGENT_NAME] = to_text(name)
    _put_input(into, input)
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
        return NOOP_SCOPE
    into: Attributes = {}
    _put_input(into, input)
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
        return NOOP_SCOPE
    into: Attributes = {keys.SPAN_KIND: keys.KIND_LLM}
    if temperature is not None:
        invocation_parameters = {"temperature": temperature, **invocation_parameters}
    is_done = False
    try:
        is_done = tools is None and _inputs.put_plain_llm(into, model, messages, invocation_parameters)
    except BaseException as error:  # noqa: BLE001 - `guarded`, without the cost of a block
        swallowed("recording input", error)
    if not is_done:
        with flattening("recording input"):
            _inputs.put_llm(into, model, messages, tools, invocation_parameters)
    if attributes is None and type(name) is str:
        return SpanScope(name, into)
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
        return NOOP_SCOPE
    into: Attributes = {keys.SPAN_KIND: keys.KIND_TOOL}
    if description is not None or not _inputs.put_plain_tool(into, name, arguments):
        with flattening("recording input"):
            _inputs.put_tool(into, name, arguments, description)
    name = f"tool.{into.get(keys.TOOL_NAME, 'unknown')}"
    return SpanScope(name, into) if attributes is None else scope(keys.KIND_TOOL, name, into, attributes)


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
        return NOOP_SCOPE
    into: Attributes = {}
    _put_input(into, query)
    if issubclass(type(top_k), int):
        into[keys.RETRIEVAL_TOP_K] = top_k
    return scope(keys.KIND_RETRIEVER, name, into, attributes)


def embedding_span(
    model: str,
    texts: Any = None,
    *,
    name: str = "embedding",
    attributes: Mapping[str, Any] | None = None,
    **invocation_parameters: Any,
) -> SpanScope | NoopScope:
    """A call of an embedding model; `record_output` on the span takes its answer, or the vectors themselves.

    Args:
        model: the model asked for; ``embedding.model_name``, replaced by the one that answered.
        texts: one text, or several; ``embedding.embeddings.<i>.embedding.text``.
        name: the span's name.
        attributes: further attributes.
        **invocation_parameters: dimensions ...: recorded as ``embedding.invocation_parameters``.
    """
    if active.tracer is None:
        return NOOP_SCOPE
    into: Attributes = {}
    with flattening("recording input"):
        _inputs.put_embedding(into, model, texts, invocation_parameters)
    return scope(keys.KIND_EMBEDDING, name, into, attributes)


def reranker_span(
    query: Any,
    documents: Any = None,
    top_k: int | None = None,
    *,
    model: str | None = None,
    name: str = "reranker",
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """A new order of documents by what they mean for a query; `record_documents` on the span takes the result.

    Args:
        query: what they are compared with; ``reranker.query``.
        documents: what is put in order, as for `record_documents`; ``reranker.input_documents``.
        top_k: how many are wanted; ``reranker.top_k``.
        model: the model that does it; ``reranker.model_name``.
        name: the span's name.
        attributes: further attributes.
    """
    if active.tracer is None:
        return NOOP_SCOPE
    into: Attributes = {}
    with flattening("recording input"):
        _inputs.put_reranker(into, query, documents, model, top_k)
    return scope(keys.KIND_RERANKER, name, into, attributes)


def guardrail_span(
    name: str = "guardrail",
    *,
    input: Any = None,  # noqa: A002 - OpenInference's word
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """A check of what goes in or comes out; `record_guardrail` on the span takes what it decided.

    Args:
        name: the guardrail's own name, which is also the span's.
        input: what is checked; ``input.value``.
        attributes: further attributes.
    """
    return _plain(keys.KIND_GUARDRAIL, name, input, attributes)


def evaluator_span(
    name: str = "evaluator",
    *,
    input: Any = None,  # noqa: A002 - OpenInference's word
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """A judgement of an answer; `record_evaluation` on the span takes score, label and explanation.

    Args:
        name: what is judged, "faithfulness"; also the span's name.
        input: what the evaluator sees; ``input.value``.
        attributes: further attributes.
    """
    return _plain(keys.KIND_EVALUATOR, name, input, attributes)


def prompt_span(
    template: str | Prompt,
    variables: Mapping[str, Any] | None = None,
    *,
    version: str | None = None,
    name: str = "prompt",
    attributes: Mapping[str, Any] | None = None,
) -> SpanScope | NoopScope:
    """The filling-in of a prompt template; `record_output` on the span takes the finished prompt.

    To have template, version and variables on the spans of the model call itself, carry them by `using(prompt=...)`.

    Args:
        template: the text with its placeholders, or a `Prompt`; ``llm.prompt_template.template``.
        variables: placeholder name -> value; ``llm.prompt_template.variables`` and ``input.value``.
        version: whatever names the version; ``llm.prompt_template.version``.
        name: the span's name.
        attributes: further attributes.
    """
    if active.tracer is None:
        return NOOP_SCOPE
    into: Attributes = {}
    with flattening("recording input"):
        prompt = template if isinstance(template, Prompt) else Prompt(template, version, variables)
        into.update(prompt_values(prompt))
        put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, prompt.variables)
    return scope(keys.KIND_PROMPT, name, into, attributes)


def _plain(kind: str, name: str, given: Any, attributes: Mapping[str, Any] | None) -> SpanScope | NoopScope:
    if active.tracer is None:
        return NOOP_SCOPE
    into: Attributes = {}
    _put_input(into, given)
    return scope(kind, name, into, attributes)


def _put_input(into: Attributes, given: Any) -> None:
    if not put_plain(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, given):
        with flattening("recording input"):
            put_value(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, given)


def _who(user_id: str | None, session_id: str | None) -> dict[str, Any] | None:
    if user_id is None and session_id is None:
        return None
    return {"user_id": user_id, "session_id": session_id}


def current_trace_id() -> str | None:
    """The id of the trace that is current here, as 32 hex characters; None outside any trace."""
    context = get_current_span(_scope.here()).get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def record_llm_output(span: Span | NoopSpan, response: Any) -> None:
    """`span.record_output(response)`, as a function."""
    span.record_output(response)


def record_retrieval_output(span: Span | NoopSpan, documents: Any) -> None:
    """`span.record_documents(documents)`, as a function."""
    span.record_documents(documents)
