"""The body of an answer as it comes over the wire: bytes in, chunks of the model's answer out. Pure, and bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Protocol

Chunk = dict[str, Any]

_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one event, line or document; a longer one is left out."""
_LAST: Final = frozenset({"message_stop", "response.completed", "response.failed", "response.incomplete"})


class Body(Protocol):
    """Reads one answer."""

    is_complete: bool
    """Whether the answer has said that it is over."""

    def feed(self, data: bytes) -> None:
        """Take some bytes, decoded as the content encoding wants it."""

    def finish(self) -> None:
        """There are no more."""


class Lines:
    """Lines of JSON, bare as Ollama sends them, or as the data of server-sent events."""

    def __init__(self, take: Callable[[Chunk], None], *, is_events: bool) -> None:
        """Begin.

        Args:
            take: is given each chunk.
            is_events: whether the lines are those of server-sent events.
        """
        self._take = take
        self._is_events = is_events
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line.rstrip(b"\r"))
        if len(self._rest) > _MOST_BYTES:
            self._rest = b""

    def finish(self) -> None:
        """The last line may have no end."""
        if self._rest:
            self._line(self._rest.rstrip(b"\r"))
            self._rest = b""
        self._event()

    def _line(self, line: bytes) -> None:
        if not self._is_events:
            self._document(line)
        elif not line:
            self._event()
        elif line.startswith(b"data:"):
            self._size += len(line)
            if self._size <= _MOST_BYTES:
                self._data.append(line[5:].removeprefix(b" "))

    def _event(self) -> None:
        data, self._data, self._size = b"\n".join(self._data), [], 0
        if data.strip() == b"[DONE]":
            self.is_complete = True
        elif data:
            self._document(data)

    def _document(self, text: bytes) -> None:
        chunk = parsed(text)
        if type(chunk) is dict:
            self._take(chunk)
            if chunk.get("type") in _LAST or chunk.get("done") is True:
                self.is_complete = True


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
        if self._size <= _MOST_BYTES:
            self._parts.append(data)

    def finish(self) -> None:
        """Read the document."""
        found = parsed(b"".join(self._parts)) if self._size <= _MOST_BYTES else None
        self._parts = []
        if type(found) is list:
            for chunk in found:
                if type(chunk) is dict:
                    self._take(chunk)
        elif found is not None:
            self._take_whole(found)


def parsed(text: bytes) -> Any:
    """The JSON value that a text is; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
