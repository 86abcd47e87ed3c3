"""OpenAI chat completions, whole or streamed, as SDK object or dict, also from OpenAI-compatible servers.

Source of the shape: ``ChatCompletion`` and ``ChatCompletionChunk`` of OpenAI's API reference. A server may leave out
the usage, the ids, the index of a choice or of a tool call, send ``content: null`` or pieces out of order; none of that
is an error.
"""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes import Attributes, listed, put_message, read
from llmtrace._serialize import to_json
from llmtrace.recorders.text import Pieces
from llmtrace.semconv import trace as keys


def recognises(answer: object) -> bool:
    """Whether `answer` is a chat completion: it has choices, and a choice has a message."""
    choices = read(answer, "choices")
    return isinstance(choices, list | tuple) and (not choices or read(choices[0], "message") is not None)


def attributes(answer: object) -> Attributes:
    """Model, output messages with their tool calls, finish reason and token counts of one answer."""
    into: Attributes = {}
    model = read(answer, "model")
    if isinstance(model, str) and model:
        into[keys.LLM_MODEL_NAME] = model
    put_usage(into, read(answer, "usage"))
    texts = []
    for position, choice in enumerate(listed(read(answer, "choices"))):
        index = _index(choice, position)
        message = read(choice, "message")
        put_message(into, keys.LLM_OUTPUT_MESSAGES, index, message)
        texts.append(_text_of(message))
        reason = read(choice, "finish_reason")
        if index == 0 and isinstance(reason, str):
            into[keys.LLM_FINISH_REASON] = reason
    if len(texts) == 1 and texts[0]:
        into[keys.OUTPUT_VALUE] = texts[0]
        into[keys.OUTPUT_MIME_TYPE] = keys.MIME_TEXT
    return into


def _index(choice: object, position: int) -> int:
    """The choice's own index; its place in the list where the server sends none."""
    index = read(choice, "index")
    return index if isinstance(index, int) and not isinstance(index, bool) and index >= 0 else position


def _text_of(message: object) -> str:
    """The answer's words, or its refusal."""
    for field in ("content", "refusal"):
        text = read(message, field)
        if isinstance(text, str) and text:
            return text
    return ""


_USAGE: Final = (
    ("total_tokens", keys.LLM_TOKEN_COUNT_TOTAL),
    ("prompt_tokens", keys.LLM_TOKEN_COUNT_PROMPT),
    ("completion_tokens", keys.LLM_TOKEN_COUNT_COMPLETION),
)
_PROMPT_DETAILS: Final = (
    ("cached_tokens", keys.LLM_TOKEN_COUNT_CACHE_READ),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_PROMPT_AUDIO),
)
_COMPLETION_DETAILS: Final = (
    ("reasoning_tokens", keys.LLM_TOKEN_COUNT_REASONING),
    ("audio_tokens", keys.LLM_TOKEN_COUNT_COMPLETION_AUDIO),
)


def put_usage(into: Attributes, usage: object) -> None:
    """Token counts, where the server sent them; a count that it did not send is not made up."""
    if usage is None:
        return
    _put_counts(into, usage, _USAGE)
    _put_counts(into, read(usage, "prompt_tokens_details"), _PROMPT_DETAILS)
    _put_counts(into, read(usage, "completion_tokens_details"), _COMPLETION_DETAILS)


def _put_counts(into: Attributes, source: object, fields: tuple[tuple[str, str], ...]) -> None:
    for field, key in fields:
        count: Any = read(source, field)
        if isinstance(count, int) and not isinstance(count, bool):
            into[key] = count


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is a piece of a streamed chat completion: a choice has a delta, or it is the closing usage."""
    choices = read(chunk, "choices")
    if not isinstance(choices, list | tuple):
        return False
    return read(choices[0], "delta") is not None if choices else isinstance(read(chunk, "object"), str)


def accumulator() -> ChatAccumulator:
    """A new accumulator for one stream."""
    return ChatAccumulator()


class ChatAccumulator:
    """Puts a streamed chat completion together."""

    def __init__(self) -> None:
        self._model: str | None = None
        self._usage: object = None
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it brought words or a piece of a tool call."""
        model = read(chunk, "model")
        if isinstance(model, str) and model:
            self._model = model
        usage = read(chunk, "usage")
        if usage is not None:
            self._usage = usage
        brought = False
        for position, choice in enumerate(listed(read(chunk, "choices"))):
            brought |= self._choices.setdefault(_index(choice, position), _Choice()).add(choice)
        return brought

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole answer would have said it."""
        choices = [
            {"index": index, "message": choice.message(), "finish_reason": choice.finish_reason}
            for index, choice in sorted(self._choices.items())
        ]
        return attributes({"model": self._model, "usage": self._usage, "choices": choices})


class _Choice:
    """One of a stream's answers."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self._role = "assistant"
        self._content = Pieces()
        self._refusal = Pieces()
        self._calls: dict[object, _Call] = {}

    def add(self, choice: object) -> bool:
        reason = read(choice, "finish_reason")
        if isinstance(reason, str):
            self.finish_reason = reason
        delta = read(choice, "delta")
        role = read(delta, "role")
        if isinstance(role, str) and role:
            self._role = role
        brought = False
        for field, text in (("content", self._content), ("refusal", self._refusal)):
            piece = read(delta, field)
            if isinstance(piece, str) and piece:
                text.add(piece)
                brought = True
        for position, call in enumerate(listed(read(delta, "tool_calls"))):
            self._call_of(call, position).add(call)
            brought = True
        return brought

    def _call_of(self, piece: object, position: int) -> _Call:
        """The call that a piece belongs to: by its index; a server that sends none is believed by id, then by place."""
        index = read(piece, "index")
        identity = read(piece, "id")
        place: object = index if isinstance(index, int) else identity
        if place is None:
            place = next(reversed(self._calls), position)
        return self._calls.setdefault(place, _Call())

    def message(self) -> dict[str, Any]:
        places = list(self._calls)
        if all(isinstance(place, int) for place in places):
            places.sort(key=lambda place: place if isinstance(place, int) else 0)
        return {
            "role": self._role,
            "content": str(self._content) if self._content else None,
            "refusal": str(self._refusal) if self._refusal else None,
            "tool_calls": [self._calls[place].whole() for place in places] or None,
        }


class _Call:
    """One tool call of a streamed answer."""

    def __init__(self) -> None:
        self._id: str | None = None
        self._name = Pieces()
        self._arguments = Pieces()

    def add(self, piece: object) -> None:
        identity = read(piece, "id")
        if isinstance(identity, str) and identity:
            self._id = identity
        function = read(piece, "function")
        name, arguments = read(function, "name"), read(function, "arguments")
        if isinstance(name, str) and name != str(self._name):  # some servers repeat the whole name in every piece
            self._name.add(name)
        if isinstance(arguments, str):
            self._arguments.add(arguments)
        elif arguments is not None:  # and some send the arguments as an object
            self._arguments.add(to_json(arguments))

    def whole(self) -> dict[str, Any]:
        return {"id": self._id, "function": {"name": str(self._name), "arguments": str(self._arguments)}}
