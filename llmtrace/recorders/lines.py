"""Lines of JSON as they come over the wire, bare or as server-sent events: bytes in, chunks out. Pure, and bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

Chunk = dict[str, Any]

MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one event, line or document; a longer one is left out."""
_LAST: Final = frozenset({"message_stop", "response.completed", "response.failed", "response.incomplete"})


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
        self._rest: list[bytes] = []
        self._rest_size = 0
        self._data: list[bytes] = []
        self._size = 0
        self.is_complete = False

    def feed(self, data: bytes) -> None:
        """Take some bytes."""
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = self._unfinished() + lines[0]
            for line in lines:
                self._line(line.rstrip(b"\r"))
        self._rest_size += len(rest)
        if self._rest_size > MOST_BYTES:
            self._rest.clear()
        elif rest:
            self._rest.append(rest)

    def finish(self) -> None:
        """The last line may have no end."""
        rest = self._unfinished()
        if rest:
            self._line(rest.rstrip(b"\r"))
        self._event()

    def _unfinished(self) -> bytes:
        """The line that has no end yet; it is joined once, however many pieces it came in."""
        rest = b"".join(self._rest)
        self._rest.clear()
        self._rest_size = 0
        return rest

    def _line(self, line: bytes) -> None:
        if not self._is_events:
            self._document(line)
        elif not line:
            self._event()
        elif line.startswith(b"data:"):
            self._size += len(line)
            if self._size <= MOST_BYTES:
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


def parsed(text: bytes) -> Any:
    """The JSON value that a text is; None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
