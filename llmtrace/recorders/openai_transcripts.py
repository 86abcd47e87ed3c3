"""A transcription of OpenAI's that is streamed; the whole one is little more than a text, and read as such."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.fields import Attributes, fields, text
from llmtrace.recorders import bare_text
from llmtrace.recorders.text import Pieces, Room

_DELTA: Final = "transcript.text.delta"
_DONE: Final = "transcript.text.done"
_EVENTS: Final = (_DELTA, _DONE, "transcript.text.segment")

attributes = bare_text.attributes


def recognises(answer: object) -> bool:  # noqa: ARG001 - of a `Shape`
    """Never: a whole transcription is a bare text."""
    return False


def recognises_chunk(chunk: object) -> bool:
    """Whether `chunk` is an event of a streamed transcription."""
    return text(fields(chunk).get("type")) in _EVENTS


def accumulator() -> TranscriptAccumulator:
    """A new accumulator for one stream."""
    return TranscriptAccumulator()


class TranscriptAccumulator:
    """Joins what was heard; the last event has all of it, and the counts."""

    def __init__(self) -> None:
        self._words = Pieces(Room())
        self._usage: Any = None

    def add(self, chunk: object) -> bool:
        """Take an event; True where it brought words."""
        event = fields(chunk)
        kind = text(event.get("type"))
        words = text(event.get("delta" if kind == _DELTA else "text"))
        if kind == _DONE:
            self._usage = event.get("usage")
            if words is not None:
                self._words.replace(words)
            return False
        if kind == _DELTA and words is not None:
            self._words.add(words)
            return True
        return False

    def attributes(self) -> Attributes:
        """What has arrived so far, as the whole transcription would have said it."""
        return attributes({"text": str(self._words), "usage": self._usage})
