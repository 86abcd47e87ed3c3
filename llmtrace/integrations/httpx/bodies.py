"""The body of an answer as it comes over the wire: bytes in, chunks of the model's answer out. Pure, and bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from llmtrace.recorders.lines import MOST_BYTES, Chunk, parsed


class Body(Protocol):
    """Reads one answer."""

    is_complete: bool
    """Whether the answer has said that it is over."""

    def feed(self, data: bytes) -> None:
        """Take some bytes, decoded as the content encoding wants it."""

    def finish(self) -> None:
        """There are no more."""


class Whole:
    """One JSON document; a list of them is Gemini's stream without events."""

    def __init__(self, take: Callable[[Chunk], None], take_whole: Callable[[Any], None]) -> None:
        """Begin.

        Args:
            take: is given each chunk of a list.
            take_whole: is given a document.
        """
        self._take = take
        self._take_whole = take_whole
        self._parts: list[bytes] = []
        self._size = 0
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        self._size += len(data)
        if self._size <= MOST_BYTES:
            self._parts.append(data)

    def finish(self) -> None:
        """Read the document."""
        found = parsed(b"".join(self._parts)) if self._size <= MOST_BYTES else None
        self._parts = []
        if type(found) is list:
            for chunk in found:
                if type(chunk) is dict:
                    self._take(chunk)
        elif found is not None:
            self._take_whole(found)
