"""What a model thought, streamed in OpenRouter's `reasoning_details`: put together as the whole answer has them."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Fields, entries, fields, text
from llmtrace.recorders.text import Pieces, Room

_GROWING: Final = ("text", "summary", "data")
_KEPT: Final = ("type", "id", "format", "index", "signature")
_MARKED: Final = 16
"""A piece that begins with this many characters that are there already is all of them again, as MiniMax sends it."""


class Thoughts:
    """The details of one streamed answer."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._details: list[_Detail] = []

    def add(self, pieces: object) -> bool:
        """Take the details of a delta; True where they brought something."""
        brought = False
        for piece in each(entries(pieces)):
            found = fields(piece)
            last = self._details[-1] if self._details else None
            if last is None or not last.goes_on(found):
                if not self._room.part():
                    continue
                last = _Detail(self._room)
                self._details.append(last)
            brought |= last.add(found)
        return brought

    def whole(self) -> list[dict[str, Any]] | None:
        """The details so far; None where there is none."""
        return [detail.whole() for detail in self._details] or None


class _Detail:
    def __init__(self, room: Room) -> None:
        self._room = room
        self._kept: dict[str, Any] = {}
        self._grown: dict[str, Pieces] = {}
        self._length = 0

    def goes_on(self, piece: Fields) -> bool:
        """Whether a piece belongs to this one: of the same kind, at the same place."""
        for name in ("type", "index"):
            said, had = piece.get(name), self._kept.get(name)
            is_plain = type(said) is int or type(said) is str
            if is_plain and type(said) is type(had) and said != had:
                return False
        return True

    def add(self, piece: Fields) -> bool:
        for name in _KEPT:
            value = piece.get(name)
            if type(value) is int or text(value) is not None:
                self._kept[name] = value
        brought = False
        for name in _GROWING:
            words = text(piece.get(name))
            if words is not None:
                self._grow(self._grown.setdefault(name, Pieces(self._room)), words)
                brought |= name != "data"
        return brought

    def _grow(self, pieces: Pieces, words: str) -> None:
        if _MARKED <= self._length < len(words) and words.startswith(str(pieces)):
            pieces.replace(words)
            self._length = len(words)
        else:
            pieces.add(words)
            self._length += len(words)

    def whole(self) -> dict[str, Any]:
        return {**self._kept, **{name: str(pieces) for name, pieces in self._grown.items()}}
