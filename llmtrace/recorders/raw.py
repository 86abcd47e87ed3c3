"""A stream that the app reads raw: lines or pieces of the body, as text or bytes, or events that are not parsed yet.

So read those who ask without an SDK (``iter_lines`` of httpx and requests, aiohttp's ``content``) and who take an SDK's
``with_streaming_response``. What never turns out to be an answer of a known shape is the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from llmtrace._attributes import Attributes
from llmtrace._attributes.fields import fields, text
from llmtrace.recorders.lines import Chunk, Lines, parsed
from llmtrace.recorders.shape import Accumulator
from llmtrace.recorders.text import TextAccumulator

Choose = Callable[[object], Accumulator | None]

_BEGINNING: Final = re.compile(rb"data: ?[{\[]|event: ?[\w.-]+\s*(?:\n|$)|:[\w -]*\r?(?:\n|$)")
"""How a stream of server-sent events begins: with data, the name of an event, or a comment."""
_FIELDS: Final = (b"data:", b"event:", b"id:", b"retry:")
"""How a further line of an event begins."""
_LONGEST_LINE: Final = 1_048_576
"""Of a first line that may be JSON."""


def raw_accumulator(chunk: object, choose: Choose) -> RawAccumulator | None:
    """An accumulator for the stream that begins with this chunk; None where it is not raw.

    Args:
        chunk: the first one.
        choose: makes the accumulator for a stream that begins with a parsed chunk.
    """
    data = _bytes(chunk)
    if not data:
        return None
    is_events = _BEGINNING.match(data) is not None
    if not is_events and (len(data) > _LONGEST_LINE or data[:1] != b"{" or not _is_known(data, choose)):
        return None
    return RawAccumulator(choose, is_events=is_events)


def _bytes(chunk: object) -> bytes | None:
    """The bytes of a raw chunk; of an event that some parser made, those that it was made of."""
    kind = type(chunk)
    if kind is bytes:
        return chunk  # type: ignore[return-value]  # by its exact type
    if kind is str:
        return chunk.encode(errors="replace")  # type: ignore[attr-defined,no-any-return]  # by its exact type
    found = fields(chunk)
    piece = fields(found.get("chunk")).get("bytes")
    if type(piece) is bytes:  # an event of Bedrock's, whatever the model is
        return b"data: " + piece + b"\n\n" if piece[:1] == b"{" else None
    data = text(found.get("data"))
    if data is None or data[:1] not in ("{", "["):
        return None
    return b"data: " + data.encode(errors="replace") + b"\n\n"


def _is_known(data: bytes, choose: Choose) -> bool:
    found = parsed(data)
    return type(found) is dict and choose(found) is not None


class RawAccumulator:
    """Parses what arrives, and hands each chunk to the accumulator for its shape."""

    def __init__(self, choose: Choose, *, is_events: bool) -> None:
        """Begin.

        Args:
            choose: makes the accumulator for a stream that begins with a parsed chunk.
            is_events: whether the lines are those of server-sent events.
        """
        self._choose = choose
        self._lines = Lines(self._take, is_events=is_events)
        self._starts = _FIELDS if is_events else (b"{",)
        self._inner: Accumulator | None = None
        self._text = TextAccumulator()
        self._has_brought = False
        self._are_lines = False  # without their ends, as `iter_lines` gives them
        self._has_ends: bool | None = None  # whether any chunk so far did; None before the first

    def add(self, chunk: object) -> bool:
        """Take a chunk; True where it completed something that is of the answer itself."""
        data = _bytes(chunk)
        if data is None:
            return False
        if self._inner is None:
            self._text.add(chunk if type(chunk) is str else data.decode(errors="replace"))
        self._has_brought = False
        if self._are_lines:
            self._lines.feed(data + b"\n")
        elif self._has_ends is False and (not data or data.startswith(self._starts)):
            self._are_lines = True
            self._lines.feed(b"\n" + data + b"\n")
        else:
            self._has_ends = bool(self._has_ends) or b"\n" in data
            self._lines.feed(data)
        return self._has_brought

    def _take(self, chunk: Chunk) -> None:
        if self._inner is None:
            self._inner = self._choose(chunk)
        if self._inner is not None:
            self._has_brought |= self._inner.add(chunk)

    def attributes(self) -> Attributes:
        """What has arrived so far, as the parsed stream would have said it."""
        self._lines.finish()
        return (self._inner or self._text).attributes()
