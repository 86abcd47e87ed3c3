"""Mistral's conversations, whole or streamed: what its agents said and called, read as OpenAI's chat."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, entries, fields, text
from llmtrace.recorders import openai_chat
from llmtrace.recorders.openai_chat_stream import ChatAccumulator

_SAID: Final = "message.output"
_CALLS: Final = ("function.call", "tool.execution")
_EVENTS: Final = ("conversation.response.", "message.output.", "function.call.", "tool.execution.", "agent.handoff.")


def recognises(answer: object) -> bool:
    """Whether `answer` is one of a conversation."""
    found = fields(answer)
    return type(found.get("outputs")) is list and text(found.get("conversation_id")) is not None


def attributes(answer: object) -> Attributes:
    """Model, one message with all that was said and called, and token counts."""
    found = fields(answer)
    entered = [fields(entry) for entry in each(entries(found.get("outputs")))]
    said = [entry.get("content") for entry in entered if text(entry.get("type")) == _SAID]
    calls = [_call(entry) for entry in entered if text(entry.get("type")) in _CALLS]
    models = [model for entry in entered if (model := text(entry.get("model"))) is not None]
    message = {"role": "assistant", "content": _content(said), "tool_calls": calls or None}
    return openai_chat.attributes(
        {
            "id": found.get("conversation_id"),
            "model": models[-1] if models else None,
            "choices": [{"index": 0, "message": message}],
            "usage": found.get("usage"),
        }
    )


def _content(said: list[Any]) -> object:
    """What was said: a text as it is, several or those in parts as parts."""
    if len(said) == 1:
        return said[0]
    return [part for content in said for part in (entries(content) or [content])] or None


def _call(entry: Fields) -> dict[str, Any]:
    identity = entry.get("tool_call_id")
    function = {"name": entry.get("name"), "arguments": entry.get("arguments")}
    return {"id": entry.get("id") if identity is None else identity, "function": function}


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is the data of an event of a streamed conversation."""
    kind = text(fields(chunk).get("type"))
    return kind is not None and kind.startswith(_EVENTS)


def accumulator() -> ConversationAccumulator:
    """A new accumulator for one stream."""
    return ConversationAccumulator()


class ConversationAccumulator:
    """Puts a streamed conversation together."""

    def __init__(self) -> None:
        self._inner = ChatAccumulator(openai_chat.attributes)

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a call."""
        event = fields(chunk)
        kind = text(event.get("type")) or ""
        delta: dict[str, Any] = {}
        if kind.startswith(_SAID):
            content = event.get("content")
            delta["content"] = content if type(content) is str else [content]
        elif kind.startswith(_CALLS) and not kind.endswith(".done"):
            delta["tool_calls"] = [{"index": event.get("output_index"), **_call(event)}]
        chunks = {"id": event.get("conversation_id"), "model": event.get("model"), "usage": event.get("usage")}
        return self._inner.add({**chunks, "choices": [{"index": 0, "delta": delta}]})

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        return self._inner.attributes()
