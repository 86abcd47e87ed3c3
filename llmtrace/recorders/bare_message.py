"""A message by itself as the answer: an SDK's ``choices[0].message``, OpenAI's Assistants, other frameworks."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, read, text
from llmtrace._attributes.messages import put_message
from llmtrace.recorders import openai_chat
from llmtrace.recorders.answer import put_identity, put_model, put_output, texts_of
from llmtrace.semconv import trace as keys

_ROLES: Final = frozenset({"assistant", "model", "ai", "user", "system", "tool", "developer", "function", "human"})


def recognises(answer: object) -> bool:
    """Whether `answer` is a message, or a list of them: each has a role, and something to say."""
    listed = _listed(answer)
    return bool(listed) and all(_is_message(fields(item)) for item in listed[:8])


def _listed(answer: object) -> list[object]:
    """The messages: one, a list, or the list that an API returns (the newest first, as Assistants do)."""
    found = fields(answer)
    if text(found.get("object")) == "list":
        return [*reversed(entries(found.get("data")))]
    return list(entries(answer)) or [answer]


def _is_message(found: Fields) -> bool:
    role = found.get("role")
    word = text(role) or text(read(role, "value"))
    if word is None or word.lower() not in _ROLES:
        return False
    return any(found.get(name) is not None for name in ("content", "tool_calls", "parts", "text", "blocks"))


def attributes(answer: object) -> Attributes:
    """Each message, and the last one's words; model, counts and reason where the message itself says them."""
    into: Attributes = {}
    listed = _listed(answer)
    for index, message in enumerate(each(listed)):
        put_message(into, keys.LLM_OUTPUT_MESSAGES, index, _with_content(message))
    last = fields(listed[-1])
    content = either(last, "content", "text")
    if content is None:
        content = read(listed[-1], "content")  # a property: LlamaIndex keeps blocks
    put_output(into, (text(content) or texts_of(content),))
    metadata = fields(either(last, "meta", "metadata", "response_metadata"))
    put_model(into, text(either(last, "model", "ai_model_id")) or text(metadata.get("model")))
    put_identity(into, last.get("id"))
    reason = text(either(last, "finish_reason", "stop_reason")) or text(metadata.get("finish_reason"))
    if reason is not None:
        into[keys.LLM_FINISH_REASON] = reason
    usage = last.get("usage") if last.get("usage") is not None else metadata.get("usage")
    if usage is not None:
        openai_chat.put_usage(into, fields(usage))
    return into


def _with_content(message: object) -> object:
    """The message; where its words are in a property called text, with that as its content."""
    found = fields(message)
    if found.get("content") is not None or type(words := found.get("text")) is not str:
        return message
    role = found.get("role")
    return {
        "role": text(role) or text(read(role, "value")),
        "content": words,
        "tool_calls": found.get("tool_calls"),
        "name": found.get("name"),
    }


def recognises_chunk(chunk: object) -> bool:  # noqa: ARG001 - of a `Shape`
    """Never: a stream of bare messages is a stream of values."""
    return False


accumulator = openai_chat.accumulator
