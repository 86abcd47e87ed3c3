"""Ollama's own chat and generate, whole or streamed, as SDK object or dict, with the durations that it measures."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.fields import Attributes, Fields, entries, fields, text, whole_number
from llmtrace._attributes.messages import put_message
from llmtrace.recorders.answer import put_model, put_output
from llmtrace.recorders.text import Pieces, Room
from llmtrace.semconv import trace as keys

_NANO: Final = 1e-9
_SECONDS: Final = (
    ("total_duration", keys.TOTAL_SECONDS),
    ("load_duration", keys.LOAD_SECONDS),
    ("prompt_eval_duration", keys.PROMPT_SECONDS),
    ("eval_duration", keys.COMPLETION_SECONDS),
)
_FINAL: Final = ("done_reason", "prompt_eval_count", "eval_count", *(field for field, _ in _SECONDS))


def recognises(answer: object) -> bool:
    """Whether `answer` is Ollama's: it says whether it is done, and has a message or a response."""
    found = fields(answer)
    if type(found.get("done")) is not bool:
        return False
    return found.get("message") is not None or issubclass(type(found.get("response")), str)


recognises_chunk = recognises


def attributes(answer: object) -> Attributes:
    """Model, the message, finish reason, token counts and durations of one answer."""
    into: Attributes = {}
    found = fields(answer)
    put_model(into, found.get("model"))
    message = _message(found)
    put_message(into, keys.LLM_OUTPUT_MESSAGES, 0, message)
    put_output(into, (text(fields(message).get("content")) or "",))
    reason = text(found.get("done_reason"))
    if reason is not None:
        into[keys.LLM_FINISH_REASON] = reason
    _put_counts(into, found)
    for field, key in _SECONDS:
        nanoseconds = whole_number(found.get(field))
        if nanoseconds is not None:
            into[key] = nanoseconds * _NANO
    return into


def _message(found: Fields) -> object:
    """The message of a chat; that of a generation, made of its response."""
    message = found.get("message")
    if message is not None:
        return message
    return {"role": "assistant", "content": found.get("response"), "thinking": found.get("thinking")}


def _put_counts(into: Attributes, found: Fields) -> None:
    prompt, completion = whole_number(found.get("prompt_eval_count")), whole_number(found.get("eval_count"))
    if prompt is not None:
        into[keys.LLM_TOKEN_COUNT_PROMPT] = prompt
    if completion is not None:
        into[keys.LLM_TOKEN_COUNT_COMPLETION] = completion
    if prompt is not None and completion is not None:
        into[keys.LLM_TOKEN_COUNT_TOTAL] = prompt + completion


def accumulator() -> OllamaAccumulator:
    """A new accumulator for one stream."""
    return OllamaAccumulator()


class OllamaAccumulator:
    """Puts a streamed answer together; the last chunk brings counts and durations."""

    def __init__(self) -> None:
        self._room = Room()
        self._model: str | None = None
        self._role = "assistant"
        self._words = Pieces(self._room)
        self._thinking = Pieces(self._room)
        self._calls: list[object] = []
        self._images: list[object] = []
        self._final: dict[str, Any] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought words or a tool call."""
        found = fields(chunk)
        self._model = text(found.get("model")) or self._model
        self._final.update({name: value for name in _FINAL if (value := found.get(name)) is not None})
        message = fields(_message(found))
        self._role = text(message.get("role")) or self._role
        brought = False
        for field, pieces in (("content", self._words), ("thinking", self._thinking)):
            words = text(message.get(field))
            if words is not None:
                pieces.add(words)
                brought = True
        for field, kept in (("tool_calls", self._calls), ("images", self._images)):
            for entry in entries(message.get(field)):
                if self._room.part():
                    kept.append(entry)
                    brought = True
        return brought

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        message = {
            "role": self._role,
            "content": str(self._words),
            "thinking": str(self._thinking),
            "tool_calls": self._calls or None,
            "images": self._images or None,
        }
        return attributes({"model": self._model, "message": message, **self._final})
