"""Cohere's chat of version 2, whole or streamed: read as OpenAI's chat, which it resembles."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, either, fields, text, whole_number
from llmtrace.recorders import openai_chat
from llmtrace.recorders.openai_chat_stream import ChatAccumulator

_EVENTS: Final = frozenset(
    {
        "message-start",
        "content-start",
        "content-delta",
        "content-end",
        "tool-plan-delta",
        "tool-call-start",
        "tool-call-delta",
        "tool-call-end",
        "citation-start",
        "citation-end",
        "message-end",
    }
)


def recognises(answer: object) -> bool:
    """Whether `answer` is Cohere's: a message and why it ended, without choices around it."""
    found = fields(answer)
    message = found.get("message")
    return message is not None and type(message) is not str and text(found.get("finish_reason")) is not None


def attributes(answer: object) -> Attributes:
    """The message with its plan and tool calls, why it ended and token counts of one answer."""
    found = fields(answer)
    choice = {"message": _message(fields(found.get("message"))), "finish_reason": found.get("finish_reason")}
    named = {"id": found.get("id"), "model": found.get("model")}
    return openai_chat.attributes({**named, "choices": [choice], "usage": _usage(found.get("usage"))})


def _message(message: Fields) -> dict[str, Any]:
    names = ("role", "content", "tool_calls")
    said = {name: message.get(name) for name in names}
    return {"reasoning": message.get("tool_plan"), "annotations": message.get("citations"), **said}


def _usage(usage: object) -> dict[str, Any] | None:
    if usage is None:
        return None
    found = fields(usage)
    counted = fields(either(found, "tokens", "billed_units"))
    cached = found.get("cached_tokens")
    prompt, completion = (whole_number(counted.get(name)) for name in ("input_tokens", "output_tokens"))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": None if prompt is None or completion is None else prompt + completion,
        "prompt_tokens_details": None if cached is None else {"cached_tokens": cached},
    }


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed answer."""
    return text(fields(chunk).get("type")) in _EVENTS


def accumulator() -> CohereAccumulator:
    """A new accumulator for one stream."""
    return CohereAccumulator()


class CohereAccumulator:
    """Puts a streamed answer together."""

    def __init__(self) -> None:
        self._inner = ChatAccumulator(openai_chat.attributes)

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words or a piece of a tool call."""
        event = fields(chunk)
        delta = fields(event.get("delta"))
        message = fields(delta.get("message"))
        said: dict[str, Any] = {"role": message.get("role"), "reasoning": message.get("tool_plan")}
        content, call = message.get("content"), message.get("tool_calls")
        if content is not None:
            said["content"] = fields(content).get("text")
            said["reasoning"] = fields(content).get("thinking")
        if call is not None and type(call) is not list:
            said["tool_calls"] = [{"index": event.get("index"), **_piece(fields(call))}]
        cited = message.get("citations")
        if cited is not None:
            said["annotations"] = cited if type(cited) is list else [cited]
        choice = {"index": 0, "delta": said, "finish_reason": delta.get("finish_reason")}
        return self._inner.add({"id": event.get("id"), "choices": [choice], "usage": _usage(delta.get("usage"))})

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        return self._inner.attributes()


def _piece(call: Fields) -> dict[str, Any]:
    return {"id": call.get("id"), "function": call.get("function")}
