"""Answers of no known shape: a text is the assistant's message, anything else is rendered as text."""

from __future__ import annotations

import json
from typing import Final

from llmtrace._attributes import Attributes, put_value
from llmtrace._attributes.fields import fields, text
from llmtrace._values.serialize import to_text
from llmtrace.recorders.growing import LONGEST, GrowingText, GrowingValue, has_something, is_partial, says_more
from llmtrace.semconv import trace as keys

MOST_PARTS: Final = 1_024
"""Choices, tool calls, items and blocks of a stream that are kept."""


def attributes(answer: object) -> Attributes:
    """The answer as one output message, and as `output.value`."""
    into: Attributes = {}
    if answer is not None:
        content = answer if type(answer) is str else to_text(answer)
        into[f"{keys.LLM_OUTPUT_MESSAGES}.0.{keys.MESSAGE_ROLE}"] = "assistant"
        into[f"{keys.LLM_OUTPUT_MESSAGES}.0.{keys.MESSAGE_CONTENT}"] = content
        put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, answer)
    return into


class Room:
    """How much more of a stream may be kept, in characters and in parts; shared by all texts of one stream."""

    __slots__ = ("characters", "parts")

    def __init__(self) -> None:
        self.characters = LONGEST
        self.parts = MOST_PARTS

    def part(self) -> bool:
        """Take the room for one more choice, call, item or block; False where there is none."""
        self.parts -= 1
        return self.parts >= 0


class Pieces:
    """A text that grows by pieces, as long as there is room."""

    __slots__ = ("_pieces", "_room")

    def __init__(self, room: Room | None = None) -> None:
        self._pieces: list[str] = []
        self._room = room or Room()

    def add(self, piece: str) -> None:
        """Append a piece, or as much of it as there is room for."""
        left = self._room.characters
        if left > 0:
            self._pieces.append(piece if len(piece) <= left else piece[:left])
            self._room.characters = left - len(piece)

    def replace(self, whole: str) -> None:
        """Take the whole text in place of its pieces."""
        self._room.characters += sum(map(len, self._pieces))
        self._pieces.clear()
        self.add(whole)

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        return "".join(self._pieces)


def parsed(arguments: str) -> object:
    """The arguments of a call as the whole answer would have had them; as their text where the stream broke off."""
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


_PIECES: Final = ("delta", "content", "text", "token", "chunk")
"""Where frameworks put the words of a chunk."""
_EVENTS: Final = ("type", "event", "event_type")
"""Where they say what kind of event a chunk is."""


def _words(chunk: object) -> str | None:
    found = fields(chunk)
    held = [found.get(name) for name in _PIECES]
    words = next((words for value in held if (words := text(value)) is not None), None)
    return "" if words is None and any(type(value) is str for value in held) else words


def _is_event(chunk: object) -> bool:
    """Whether a chunk says what happens: it has the type of an event, and no words."""
    found = fields(chunk)
    return any(text(found.get(name)) is not None for name in _EVENTS)


class TextAccumulator:
    """Joins chunks that are texts; others are rendered, events only where there are no words at all.

    Of chunks that grow, each with all that came before, the last one is the answer.
    """

    def __init__(self) -> None:
        self._room = Room()
        self._text = Pieces(self._room)
        self._events = Pieces(self._room)
        self._words: GrowingText | None = GrowingText()
        self._values: GrowingValue | None = GrowingValue()
        self._last: object = None
        self._is_partial = False

    def add(self, chunk: object) -> bool:
        """Append a chunk; True where it brought words, or what is no event."""
        if type(chunk) is str:
            self._add_words(chunk)
            return bool(chunk)
        self._last = chunk
        if self._is_partial or is_partial(chunk):
            self._is_partial = True
            return has_something(chunk)
        words = _words(chunk)
        if words is not None:
            self._add_words(words)
            return bool(words)
        rendered = to_text(chunk)
        if _is_event(chunk) or not has_something(chunk):
            self._events.add(rendered)
            return False
        self._add_value(rendered)
        return bool(rendered)

    def _add_words(self, words: str) -> None:
        if self._words is not None and self._words.take(words):
            return
        self._flush()
        self._text.add(words)

    def _add_value(self, rendered: str) -> None:
        if self._values is not None and not self._values.take(rendered):
            self._values = None
        self._flush()
        self._text.add(rendered)

    def _flush(self) -> None:
        """Texts that only began as if they grew are pieces."""
        early, self._words = self._early(), None
        for words in early:
            self._text.add(words)

    def _early(self) -> list[str]:
        return [] if self._words is None else [*self._words.pieces()]

    def attributes(self) -> Attributes:
        """What has arrived so far."""
        words = self._words
        if words is not None and words.is_sure and not says_more(self._last):
            return attributes(words.last)
        is_grown = words.is_sure if words is not None else self._values is not None and self._values.is_sure
        if self._is_partial or is_grown:
            return attributes(self._last)
        joined = "".join((str(self._text), *self._early())) or str(self._events)
        return attributes(joined) if joined else {}
