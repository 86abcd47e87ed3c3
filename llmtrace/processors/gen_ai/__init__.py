"""OpenTelemetry's GenAI attributes, derived from OpenInference's, for backends that read ``gen_ai.*``.

On the worker, before redaction and the content switch, which know these keys. What a span says of itself under a
``gen_ai`` key stays: a third party's instrumentation knew better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from opentelemetry.sdk.trace import Event
from opentelemetry.semconv.attributes import exception_attributes as exc
from opentelemetry.trace import StatusCode

from llmtrace._record import SpanRecord
from llmtrace._values.serialize import to_json
from llmtrace.processors.gen_ai.messages import (
    Message,
    entries,
    messages,
    one_answer,
    parsed,
    several_answers,
    text_message,
)
from llmtrace.processors.gen_ai.request import parameters, provider
from llmtrace.semconv import gen_ai
from llmtrace.semconv import trace as keys

_Attributes = Mapping[str, Any]
_BUDGET: Final = 0.05
"""Seconds for one JSON value: there is time on the worker."""
_SEPARATE_SYSTEM: Final = ("anthropic", "gcp.gen_ai", "gcp.gemini", "gcp.vertex_ai")
"""Providers whose API takes the system prompt beside the conversation, never in it."""
_USAGE: Final = (
    (keys.LLM_TOKEN_COUNT_PROMPT, gen_ai.USAGE_INPUT_TOKENS),
    (keys.LLM_TOKEN_COUNT_COMPLETION, gen_ai.USAGE_OUTPUT_TOKENS),
    (keys.LLM_TOKEN_COUNT_CACHE_READ, gen_ai.USAGE_CACHE_READ),
    (keys.LLM_TOKEN_COUNT_CACHE_WRITE, gen_ai.USAGE_CACHE_CREATION),
    (keys.LLM_TOKEN_COUNT_REASONING, gen_ai.USAGE_REASONING),
)


def add_gen_ai(record: SpanRecord) -> SpanRecord:
    """The span with ``gen_ai`` attributes beside its own; a span of a kind that the conventions do not have passes."""
    attributes = record.attributes
    kind = attributes.get(keys.SPAN_KIND)
    if kind == keys.KIND_EVALUATOR:
        return _with_evaluations(record)
    derive = _KINDS.get(kind) if type(kind) is str else None
    if derive is None:
        return record
    added = {**derive(attributes), **_common(record)}
    return record.with_attributes({**added, **attributes})


def _common(record: SpanRecord) -> dict[str, Any]:
    found: dict[str, Any] = {}
    session = record.attributes.get(keys.SESSION_ID)
    if session is not None:
        found[gen_ai.CONVERSATION_ID] = session
    if record.status.status_code is StatusCode.ERROR:
        types = [(event.attributes or {}).get(exc.EXCEPTION_TYPE) for event in record.events]
        found[gen_ai.ERROR_TYPE] = next((kind for kind in reversed(types) if kind), "_OTHER")
    return found


def _llm(attributes: _Attributes) -> dict[str, Any]:
    answered = attributes.get(keys.LLM_RESPONSE_MODEL_NAME) or attributes.get(keys.LLM_MODEL_NAME)
    asked = attributes.get(keys.LLM_REQUEST_MODEL_NAME) or attributes.get(keys.LLM_MODEL_NAME)
    found = _request(attributes, keys.LLM_INVOCATION_PARAMETERS, asked)
    is_completion = bool(entries(attributes, keys.LLM_PROMPTS))
    found[gen_ai.OPERATION_NAME] = gen_ai.TEXT_COMPLETION if is_completion else gen_ai.CHAT
    if keys.STREAM_OUTCOME in attributes:
        found[gen_ai.REQUEST_STREAM] = True
    found |= {key: attributes[source] for source, key in _USAGE if source in attributes}
    found |= _response(attributes, answered)
    return found | _conversation(attributes, found.get(gen_ai.PROVIDER_NAME))


def _request(attributes: _Attributes, parameters_key: str, model: object) -> dict[str, Any]:
    given = parsed(attributes.get(parameters_key))
    found = parameters(given) if type(given) is dict else {}
    if model is not None:
        found[gen_ai.REQUEST_MODEL] = model
    owner = provider(attributes, model)
    if owner is not None:
        found[gen_ai.PROVIDER_NAME] = owner
    return found


def _response(attributes: _Attributes, model: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    reasons = _reasons(attributes)
    if reasons:
        found[gen_ai.RESPONSE_FINISH_REASONS] = reasons
    named = (
        (keys.RESPONSE_ID, gen_ai.RESPONSE_ID),
        (keys.TIME_TO_FIRST_TOKEN, gen_ai.RESPONSE_TIME_TO_FIRST_CHUNK),
    )
    found |= {key: attributes[source] for source, key in named if source in attributes}
    has_answered = reasons or keys.OUTPUT_VALUE in attributes or keys.LLM_TOKEN_COUNT_COMPLETION in attributes
    if model is not None and has_answered:
        found[gen_ai.RESPONSE_MODEL] = model
    return found


def _reasons(attributes: _Attributes) -> tuple[str, ...]:
    several = attributes.get(keys.FINISH_REASONS)
    if isinstance(several, list | tuple):
        return tuple(map(str, several))
    reason = attributes.get(keys.LLM_FINISH_REASON)
    return (reason,) if type(reason) is str else ()


def _conversation(attributes: _Attributes, owner: str | None) -> dict[str, Any]:
    given = messages(attributes, keys.LLM_INPUT_MESSAGES) or list(_texts(attributes, keys.LLM_PROMPTS, "user"))
    instructions: list[Any] = []
    while owner in _SEPARATE_SYSTEM and given and given[0]["role"] == "system":
        instructions += given.pop(0)["parts"]
    answers = messages(attributes, keys.LLM_OUTPUT_MESSAGES)
    choices = answers or list(_texts(attributes, keys.LLM_CHOICES, "assistant"))
    reasons = _reasons(attributes)
    are_several = len(reasons) > 1 or not answers
    said = several_answers(choices, reasons) if are_several else one_answer(answers, reasons[0] if reasons else None)
    named = (
        (gen_ai.SYSTEM_INSTRUCTIONS, instructions),
        (gen_ai.INPUT_MESSAGES, given),
        (gen_ai.OUTPUT_MESSAGES, said),
        (gen_ai.TOOL_DEFINITIONS, _tools(attributes)),
    )
    return {key: _json(value) for key, value in named if value}


def _texts(attributes: _Attributes, list_key: str, role: str) -> Iterator[Message]:
    found = entries(attributes, list_key)
    for index in sorted(found):
        for words in found[index].values():
            yield text_message(role, str(words))


def _tools(attributes: _Attributes) -> list[Any]:
    found = entries(attributes, keys.LLM_TOOLS)
    return [_tool(parsed(found[index].get(keys.TOOL_JSON_SCHEMA))) for index in sorted(found)]


def _tool(schema: Any) -> Any:
    """A tool as the conventions want it, from OpenAI's shape or Anthropic's; any other as it is."""
    if type(schema) is not dict:
        return {"type": "function", "name": str(schema)}
    function = schema.get("function")
    inner: dict[str, Any] = function if type(function) is dict else schema
    name = inner.get("name")
    if type(name) is not str:
        return {"type": "function", **schema}
    given = inner.get("parameters", inner.get("input_schema"))
    named = (("description", inner.get("description")), ("parameters", given))
    kind = schema.get("type") if type(schema.get("type")) is str else "function"
    return {"type": kind, "name": name, **{key: value for key, value in named if value is not None}}


def _embedding(attributes: _Attributes) -> dict[str, Any]:
    found = _request(attributes, keys.EMBEDDING_INVOCATION_PARAMETERS, attributes.get(keys.EMBEDDING_MODEL_NAME))
    found[gen_ai.OPERATION_NAME] = gen_ai.EMBEDDINGS
    named = ((keys.EMBEDDING_DIMENSIONS, gen_ai.EMBEDDINGS_DIMENSION_COUNT), _USAGE[0])
    return found | {key: attributes[source] for source, key in named if source in attributes}


def _retrieval(attributes: _Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {gen_ai.OPERATION_NAME: gen_ai.RETRIEVAL}
    query = attributes.get(keys.INPUT_VALUE)
    if type(query) is str:
        found[gen_ai.RETRIEVAL_QUERY_TEXT] = query
    documents = entries(attributes, keys.RETRIEVAL_DOCUMENTS)
    if documents:
        found[gen_ai.RETRIEVAL_DOCUMENTS] = _json([_document(documents[index]) for index in sorted(documents)])
    return found


def _document(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix("document."): parsed(value) for key, value in fields.items()}


def _tool_call(attributes: _Attributes) -> dict[str, Any]:
    named = (
        (keys.TOOL_NAME, gen_ai.TOOL_NAME),
        (keys.TOOL_DESCRIPTION, gen_ai.TOOL_DESCRIPTION),
        (keys.TOOL_ID, gen_ai.TOOL_CALL_ID),
        (keys.INPUT_VALUE, gen_ai.TOOL_CALL_ARGUMENTS),
        (keys.OUTPUT_VALUE, gen_ai.TOOL_CALL_RESULT),
    )
    found = {key: attributes[source] for source, key in named if source in attributes}
    return {gen_ai.OPERATION_NAME: gen_ai.EXECUTE_TOOL, gen_ai.TOOL_TYPE: "function", **found}


def _agent(attributes: _Attributes) -> dict[str, Any]:
    found: dict[str, Any] = {gen_ai.OPERATION_NAME: gen_ai.INVOKE_AGENT}
    if keys.AGENT_NAME in attributes:
        found[gen_ai.AGENT_NAME] = attributes[keys.AGENT_NAME]
    sides = (
        (keys.INPUT_VALUE, gen_ai.INPUT_MESSAGES, "user"),
        (keys.OUTPUT_VALUE, gen_ai.OUTPUT_MESSAGES, "assistant"),
    )
    for source, key, role in sides:
        words = attributes.get(source)
        if type(words) is str:
            found[key] = _json([text_message(role, words)])
    return found


_KINDS: Final[dict[str, Callable[[_Attributes], dict[str, Any]]]] = {
    keys.KIND_LLM: _llm,
    keys.KIND_EMBEDDING: _embedding,
    keys.KIND_RETRIEVER: _retrieval,
    keys.KIND_TOOL: _tool_call,
    keys.KIND_AGENT: _agent,
}


def _with_evaluations(record: SpanRecord) -> SpanRecord:
    """Each finding as the event that the conventions describe."""
    named = (
        (keys.EVALUATION_NAME, gen_ai.EVALUATION_NAME),
        (keys.EVALUATION_SCORE, gen_ai.EVALUATION_SCORE),
        (keys.EVALUATION_LABEL, gen_ai.EVALUATION_LABEL),
        (keys.EVALUATION_EXPLANATION, gen_ai.EVALUATION_EXPLANATION),
    )
    found = entries(record.attributes, keys.EVALUATIONS)
    events = [
        Event(
            gen_ai.EVALUATION_EVENT,
            {key: found[index][source] for source, key in named if source in found[index]},
            record.end_time,
        )
        for index in sorted(found)
    ]
    return record._replace(events=(*record.events, *events)) if events else record


def _json(value: object) -> str:
    return to_json(value, budget=_BUDGET)
