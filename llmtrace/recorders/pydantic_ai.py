"""Pydantic AI's model responses, whole or as events, read as OpenAI's chat. Parts say what they are in `part_kind`."""

from __future__ import annotations

from typing import Any

from llmtrace._attributes import pydantic_ai
from llmtrace._attributes.fields import Attributes, either, entries, fields, text, whole_number
from llmtrace.recorders import openai_chat
from llmtrace.recorders.openai_chat_stream import ChatAccumulator


def recognises(answer: object) -> bool:
    """Whether `answer` is a model response: it says so, and has parts."""
    found = fields(answer)
    return text(found.get("kind")) == "response" and type(found.get("parts")) is list


def attributes(answer: object) -> Attributes:
    """Model, the message with its thoughts and tool calls, why it ended and token counts of one response."""
    found = fields(answer)
    message = pydantic_ai.answer([fields(part) for part in entries(found.get("parts"))])
    return openai_chat.attributes(
        {
            "id": either(found, "provider_response_id", "vendor_id"),
            "model": found.get("model_name"),
            "choices": [{"message": message, "finish_reason": found.get("finish_reason")}],
            "usage": _usage(found.get("usage")),
        }
    )


def _usage(usage: object) -> dict[str, Any] | None:
    if usage is None:
        return None
    found = fields(usage)
    details = fields(found.get("details"))
    return {
        "prompt_tokens": either(found, "input_tokens", "request_tokens"),
        "completion_tokens": either(found, "output_tokens", "response_tokens"),
        "total_tokens": found.get("total_tokens"),
        "prompt_tokens_details": {
            "cached_tokens": whole_number(found.get("cache_read_tokens")) or None,
            "cache_write_tokens": whole_number(found.get("cache_write_tokens")) or None,
            "audio_tokens": whole_number(found.get("input_audio_tokens")) or None,
        },
        "completion_tokens_details": {
            "reasoning_tokens": details.get("reasoning_tokens"),
            "audio_tokens": whole_number(found.get("output_audio_tokens")) or None,
        },
    }


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed response."""
    return text(fields(chunk).get("event_kind")) in ("part_start", "part_delta")


def accumulator() -> EventAccumulator:
    """A new accumulator for one stream."""
    return EventAccumulator()


class EventAccumulator:
    """Puts a streamed response together from the starts and deltas of its parts."""

    def __init__(self) -> None:
        self._inner = ChatAccumulator(openai_chat.attributes)

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a tool call."""
        event = fields(chunk)
        part = fields(either(event, "part", "delta"))
        kind = text(either(part, "part_kind", "part_delta_kind"))
        words = either(part, "content", "content_delta")
        delta: dict[str, Any] = {}
        if kind == "text":
            delta["content"] = words
        elif kind == "thinking":
            delta["reasoning"] = words
        elif kind in ("tool-call", "tool_call"):
            function = {
                "name": either(part, "tool_name", "tool_name_delta"),
                "arguments": either(part, "args", "args_delta"),
            }
            delta["tool_calls"] = [{"index": event.get("index"), "id": part.get("tool_call_id"), "function": function}]
        return bool(delta) and self._inner.add({"choices": [{"index": 0, "delta": delta}]})

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole response would have said it."""
        return self._inner.attributes()
