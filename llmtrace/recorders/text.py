"""Answers of no known shape: a text is the assistant's message, anything else is rendered as text."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes import Attributes, put_value
from llmtrace._serialize import to_text
from llmtrace.semconv import trace as keys

LONGEST: Final = 1_048_576
"""Characters of a stream that are kept; a stream may be endless, our memory is not."""


def attributes(answer: object) -> Attributes:
    """The answer as one output message, and as `output.value`."""
    into: Attributes = {}
    if answer is not None:
        content = answer if isinstance(answer, str) else to_text(answer)
        into[f"{keys.LLM_OUTPUT_MESSAGES}.0.{keys.MESSAGE_ROLE}"] = "assistant"
        into[f"{keys.LLM_OUTPUT_MESSAGES}.0.{keys.MESSAGE_CONTENT}"] = content
        put_value(into, keys.OUTPUT_VALUE, keys.OUTPUT_MIME_TYPE, answer)
    return into


class Pieces:
    """A text that grows by pieces, up to `LONGEST` characters."""

    __slots__ = ("_pieces", "_room")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._room = LONGEST

    def add(self, piece: str) -> None:
        """Append a piece, or as much of it as there is room for."""
        if self._room > 0:
            self._pieces.append(piece[: self._room])
            self._room -= len(piece)

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def __str__(self) -> str:
        return "".join(self._pieces)


class TextAccumulator:
    """Joins chunks that are texts; others are rendered."""

    def __init__(self) -> None:
        self._text = Pieces()

    def add(self, chunk: object) -> bool:
        """Append a chunk."""
        piece = chunk if isinstance(chunk, str) else to_text(chunk)
        self._text.add(piece)
        return bool(piece)

    def attributes(self) -> Attributes:
        """What has arrived so far."""
        return attributes(str(self._text)) if self._text else {}
