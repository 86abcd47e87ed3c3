"""LangChain's messages as answers: an AIMessage, whole or in chunks, read as OpenAI's chat, with its own counts.

Also what its models return around one: a generation, a result of several.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, kept, text, whole_number
from llmtrace.recorders import openai_chat
from llmtrace.recorders.openai_chat_stream import ChatAccumulator

_KINDS: Final = frozenset({"ai", "AIMessageChunk"})
_MODEL: Final = ("model_name", "model", "model_id")
_REASON: Final = ("finish_reason", "stop_reason", "done_reason", "stopReason")
_COUNTS: Final = (
    ("input_tokens", "prompt_tokens"),
    ("output_tokens", "completion_tokens"),
    ("total_tokens", "total_tokens"),
)


def recognises(answer: object) -> bool:
    """Whether `answer` is a message of LangChain's, or a generation around one."""
    return _is_message(answer) or _is_message(_inside(answer))


def _is_message(answer: object) -> bool:
    found = fields(answer)
    return text(found.get("type")) in _KINDS and found.get("response_metadata") is not None


def _inside(answer: object) -> object:
    """The message of a generation, or of the first one of a result."""
    found = fields(answer)
    generations = entries(found.get("generations"))
    if generations:
        first = entries(generations[0]) or generations
        found = fields(first[0])
    return found.get("message")


def attributes(answer: object) -> Attributes:
    """Model, the message with its tool calls, why it ended and token counts."""
    return openai_chat.attributes(_answer(fields(answer if _is_message(answer) else _inside(answer))))


def _answer(message: Fields) -> dict[str, Any]:
    metadata = fields(message.get("response_metadata"))
    extra = fields(message.get("additional_kwargs"))
    said = {
        "role": "assistant",
        "content": message.get("content"),
        "reasoning": extra.get("reasoning_content"),
        "reasoning_details": extra.get("reasoning_details"),
        "refusal": extra.get("refusal"),
        "tool_calls": [*entries(message.get("tool_calls")), *entries(message.get("invalid_tool_calls"))]
        or extra.get("tool_calls"),
    }
    return {
        "id": message.get("id"),
        "model": either(metadata, *_MODEL),
        "choices": [{"message": said, "finish_reason": either(metadata, *_REASON)}],
        "usage": _usage(message.get("usage_metadata")) or either(metadata, "token_usage", "usage"),
    }


def _usage(counted: object) -> dict[str, Any] | None:
    if counted is None:
        return None
    found = fields(counted)
    given, made = fields(found.get("input_token_details")), fields(found.get("output_token_details"))
    return {
        **{name: found.get(field) for field, name in _COUNTS},
        "prompt_tokens_details": {
            "cached_tokens": given.get("cache_read"),
            "cache_write_tokens": given.get("cache_creation"),
            "audio_tokens": given.get("audio"),
        },
        "completion_tokens_details": {"reasoning_tokens": made.get("reasoning"), "audio_tokens": made.get("audio")},
    }


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is a message of LangChain's, or a generation around one."""
    return recognises(chunk)


def accumulator() -> MessageChunkAccumulator:
    """A new accumulator for one stream."""
    return MessageChunkAccumulator()


class MessageChunkAccumulator:
    """Puts a streamed message together, without adding chunks as LangChain does: that runs its code, and costs."""

    def __init__(self) -> None:
        self._inner = ChatAccumulator(openai_chat.attributes)
        self._usage: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought words or a piece of a tool call."""
        message = fields(chunk if _is_message(chunk) else _inside(chunk))
        self._metadata.update(kept(message.get("response_metadata")))
        self._usage = _added(self._usage, kept(message.get("usage_metadata")))
        pieces = [
            {"index": piece.get("index"), "id": piece.get("id"), "function": _function(piece)}
            for piece in map(fields, entries(message.get("tool_call_chunks")))
        ]
        content, extra = message.get("content"), fields(message.get("additional_kwargs"))
        thoughts = "".join(_thoughts(content))
        delta = {
            "content": content,
            "reasoning": text(extra.get("reasoning_content")) or thoughts or None,
            "reasoning_details": extra.get("reasoning_details"),
            "tool_calls": pieces or None,
        }
        return self._inner.add({"id": message.get("id"), "choices": [{"index": 0, "delta": delta}]})

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole message would have said it."""
        self._inner.add(
            {
                "model": either(self._metadata, *_MODEL),
                "choices": [{"index": 0, "delta": {}, "finish_reason": either(self._metadata, *_REASON)}],
                "usage": _usage(self._usage or None) or either(self._metadata, "token_usage", "usage"),
            }
        )
        return self._inner.attributes()


def _function(piece: Fields) -> dict[str, Any]:
    return {"name": piece.get("name"), "arguments": piece.get("args")}


def _thoughts(content: object) -> list[str]:
    parts = map(fields, entries(content))
    return [words for part in parts if (words := text(either(part, "thinking", "reasoning"))) is not None]


def _added(before: Mapping[str, Any], more: Mapping[str, Any], deeper: int = 1) -> dict[str, Any]:
    """Counts of several chunks, and their details: LangChain's are parts that add up."""
    summed = dict(before)
    for name, value in more.items():
        if type(name) is not str:
            continue
        count, had = whole_number(value), summed.get(name)
        if count is not None:
            summed[name] = (whole_number(had) or 0) + count
        elif type(value) is dict and deeper:
            summed[name] = _added(had if type(had) is dict else {}, value, deeper - 1)
    return summed
