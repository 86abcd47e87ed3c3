"""Chunks each of which holds all that came before, as Instructor's partial objects do: the last one is the answer.

They are told from pieces by growing: every text begins with the last one, every object has all that the last one had.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from llmtrace._attributes.fields import fields, kept
from llmtrace._values.serialize import MARK_TIME
from llmtrace._values.storage import module_of, mro, qualname

_OUT_OF_TIME: Final = MARK_TIME.partition(", ")[2]
"""At the end of what could not be rendered in time, which proves nothing."""
LONGEST: Final = 1_048_576
"""Characters of a stream that are kept; a stream may be endless, our memory is not."""
_MOST: Final = 100_000
_SURE: Final = 16
"""Characters that no two pieces have in common by chance."""
_STEPS: Final = 2
_DEEPEST: Final = 16


def is_partial(chunk: object) -> bool:
    """Whether a chunk says by its class that it grows: Instructor's, or BAML's."""
    for base in mro(type(chunk)):
        module = module_of(base)
        if type(module) is not str:
            continue
        if "partial_types" in module or (module.startswith("instructor.") and qualname(base) == "PartialBase"):
            return True
    return False


class GrowingText:
    """Texts, as long as each begins with the one before."""

    __slots__ = ("_lengths", "_steps", "_total", "last")

    def __init__(self) -> None:
        self.last = ""
        self._total = 0
        self._lengths: list[int] = []
        self._steps = 0

    def take(self, piece: str) -> bool:
        """Take a text; False where it does not go on from the last, which is then a piece as all before it."""
        if not piece.startswith(self.last) or len(piece) > LONGEST or len(self._lengths) > _MOST:
            return False
        if self.last and len(piece) > len(self.last):
            self._steps += 1 if len(self.last) < _SURE else _STEPS
        self._total += len(piece)
        if self._total > LONGEST and not self.is_sure:
            return False
        self._lengths.append(len(piece))
        self.last = piece
        return True

    @property
    def is_sure(self) -> bool:
        """Whether it has grown so often, or from so much, that it is no chance."""
        return self._steps >= _STEPS

    def pieces(self) -> Iterator[str]:
        """All that came, one by one; not more of it than is kept of a stream."""
        left = LONGEST
        for length in self._lengths:
            yield self.last[: min(length, left)]
            left -= length
            if left <= 0:
                return


class GrowingValue:
    """Objects as JSON, as long as each has all that the one before had."""

    __slots__ = ("_count", "_value", "last")

    def __init__(self) -> None:
        self.last = ""
        self._value: Any = None
        self._count = 0

    def take(self, rendered: str) -> bool:
        """Take an object; False where it is another one than before."""
        if rendered != self.last and _OUT_OF_TIME not in rendered:
            try:
                value = json.loads(rendered)
            except (ValueError, RecursionError):
                return False
            if not _grows(self._value, value, _DEEPEST):
                return False
            self._value, self.last = value, rendered
        self._count += 1
        return True

    @property
    def is_sure(self) -> bool:
        """Whether there were several, and they are objects."""
        return self._count > 1 and type(self._value) is dict


def _grows(before: Any, now: Any, deeper: int) -> bool:
    """Whether a value of JSON has all that another one had, or more of it."""
    if before is None or before == now:
        return True
    if type(before) is not type(now) or deeper == 0:
        return False
    if type(before) is dict:
        return all(name in now and _grows(value, now[name], deeper - 1) for name, value in before.items())
    if type(before) is list:
        *whole, last = before or [None]
        return (
            now[: len(whole)] == whole
            and len(now) >= len(before)
            and (not before or _grows(last, now[len(whole)], deeper - 1))
        )
    return type(before) is not bool and str(now).startswith(str(before))


def says_more(chunk: object) -> bool:
    """Whether an object that grows has more than one field that says something."""
    return len(kept(chunk)) > 1


def has_something(chunk: object) -> bool:
    """Whether any field of an object says something; of what is no object, True."""
    return type(fields(chunk)) is not dict or bool(kept(chunk))
