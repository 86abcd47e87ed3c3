"""What a span of each kind was given, as attributes: shared by the context managers and the decorators. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmtrace._attributes import Attributes, listed, put_documents, put_messages, put_tools, system_messages
from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import fields
from llmtrace._attributes.late import can_wait, put_later, put_plain
from llmtrace._attributes.messages import SYSTEM_FIELDS, put_plain_messages
from llmtrace._values.serialize import to_json, to_text
from llmtrace.semconv import trace as keys

_TEXTS: Final = ("texts", "text", "input", "inputs", "documents", "query")
_DOCUMENTS: Final = ("documents", "docs", "nodes", "passages", "results")
_TOP_K: Final = ("top_k", "top_n", "k")


_SYSTEM: Final = frozenset({*SYSTEM_FIELDS, "config"})
"""Parameters in which a system prompt may stand."""


_LONG: Final = 256


def put_plain_llm(into: Attributes, model: object, messages: object, parameters: dict[str, Any]) -> bool:
    """A call of a model whose messages and parameters are plain, the hot path; False: `put_llm` has to do it.

    Args:
        into: receives the attributes.
        model: the model.
        messages: the conversation.
        parameters: a dict that nobody else has.
    """
    if type(model) is not str or type(messages) is not list:
        return False
    if parameters:
        if not _SYSTEM.isdisjoint(parameters) or not can_wait(parameters.values()):
            return False
        into[keys.LLM_INVOCATION_PARAMETERS] = parameters
    into[keys.LLM_MODEL_NAME] = model if model.isascii() and len(model) < _LONG else to_text(model)
    return put_plain_messages(into, keys.LLM_INPUT_MESSAGES, messages) == len(messages)


def put_llm(into: Attributes, model: object, messages: object, tools: object, parameters: Mapping[str, Any]) -> None:
    """A call of a model."""
    if model is not None:
        into[keys.LLM_MODEL_NAME] = to_text(model)
    if parameters:
        parameters, messages = _without_system(parameters, messages)
        if parameters:
            into[keys.LLM_INVOCATION_PARAMETERS] = to_json(parameters)
    put_messages(into, keys.LLM_INPUT_MESSAGES, messages)
    if tools is not None:
        put_tools(into, tools)


def _without_system(parameters: Mapping[str, Any], messages: object) -> tuple[Mapping[str, Any], object]:
    """The parameters without the system prompt, and the messages that begin with it, as the model reads them."""
    if type(messages) is dict and "prompt" in messages:
        return parameters, messages
    system = system_messages(parameters)
    if not system:
        config = parameters.get("config")
        system = [] if config is None else system_messages(fields(config))
        if not system:
            return parameters, messages
    rest = {name: value for name, value in parameters.items() if name not in SYSTEM_FIELDS}
    if type(messages) is dict and "role" not in messages:
        return rest, {**messages, "system": system[0].get("content", system[0])}
    return rest, [*system, *listed(messages)]


def put_plain_tool(into: Attributes, name: object, arguments: object) -> bool:
    """A call of a tool whose arguments are plain, the hot path; False: `put_tool` has to do it."""
    if type(name) is not str or not put_plain(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, arguments):
        return False
    into[keys.TOOL_NAME] = to_text(name)
    if arguments is not None:
        into[keys.TOOL_PARAMETERS] = into[keys.INPUT_VALUE]
    return True


def put_tool(into: Attributes, name: object, arguments: object, description: object) -> None:
    """A call of a tool."""
    into[keys.TOOL_NAME] = to_text(name)
    if description is not None:
        into[keys.TOOL_DESCRIPTION] = to_text(description)
    put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, arguments)
    if arguments is not None:
        into[keys.TOOL_PARAMETERS] = into[keys.INPUT_VALUE]


def put_embedding(into: Attributes, model: object, texts: object, parameters: Mapping[str, Any]) -> None:
    """A call of an embedding model: one text, or several."""
    if model is not None:
        into[keys.EMBEDDING_MODEL_NAME] = to_text(model)
    if parameters:
        into[keys.EMBEDDING_INVOCATION_PARAMETERS] = to_json(parameters)
    for index, text in enumerate(each(listed(texts))):
        into[f"{keys.EMBEDDING_EMBEDDINGS}.{index}.{keys.EMBEDDING_TEXT}"] = to_text(text)
    put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, texts)


def put_reranker(into: Attributes, query: object, documents: object, model: object, top_k: object) -> None:
    """A call of a reranker."""
    if query is not None:
        into[keys.RERANKER_QUERY] = to_text(query)
    put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, query)
    if model is not None:
        into[keys.RERANKER_MODEL_NAME] = to_text(model)
    if type(top_k) is int:
        into[keys.RERANKER_TOP_K] = top_k
    put_documents(into, keys.RERANKER_INPUT_DOCUMENTS, documents)


def put_arguments(into: Attributes, kind: str, name: str, arguments: Mapping[str, Any], description: object) -> None:
    """What a decorated function was called with; where a kind wants a model, a query or texts, by their usual names."""
    if kind == keys.KIND_LLM:
        _put_llm_arguments(into, dict(arguments))
    elif kind == keys.KIND_EMBEDDING:
        _put_embedding_arguments(into, dict(arguments))
    elif kind == keys.KIND_RERANKER:
        _put_reranker_arguments(into, dict(arguments))
    elif kind == keys.KIND_TOOL:
        put_tool(into, name, arguments, description)
    else:
        if kind == keys.KIND_AGENT:
            into[keys.AGENT_NAME] = name
        put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, _single_text(arguments))


def _put_llm_arguments(into: Attributes, rest: dict[str, Any]) -> None:
    model = rest.pop("model", None)
    messages = rest.pop("messages", None)
    if messages is None:
        messages = rest.pop("prompt", None)
    if messages is not None:
        put_llm(into, model, messages, rest.pop("tools", None), rest)
        return
    if model is not None:
        into[keys.LLM_MODEL_NAME] = to_text(model)
    put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, _single_text(rest))


def _put_embedding_arguments(into: Attributes, rest: dict[str, Any]) -> None:
    model, texts = rest.pop("model", None), _popped(rest, _TEXTS)
    if texts is None and len(rest) == 1:
        texts = rest.popitem()[1]
    put_embedding(into, model, texts, rest)


def _put_reranker_arguments(into: Attributes, rest: dict[str, Any]) -> None:
    query, documents = rest.pop("query", None), _popped(rest, _DOCUMENTS)
    put_reranker(into, query, documents, rest.pop("model", None), _popped(rest, _TOP_K))
    if query is None:
        put_later(into, keys.INPUT_VALUE, keys.INPUT_MIME_TYPE, rest)


def _popped(rest: dict[str, Any], names: tuple[str, ...]) -> Any:
    for name in names:
        if rest.get(name) is not None:
            return rest.pop(name)
    return None


def _single_text(arguments: Mapping[str, Any]) -> Any:
    """The one text that a function was given, as it is; several arguments as a dict."""
    if len(arguments) == 1:
        (only,) = arguments.values()
        if type(only) is str:
            return only
    return arguments
