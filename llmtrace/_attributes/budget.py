"""How much of a list is flattened: endless lists end, and foreign objects share the budget of the call.

Plain dicts, texts and pydantic objects cost microseconds; objects that have to be asked may cost anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Final

from llmtrace._values.serialize import MARK_MORE, MARK_TIME
from llmtrace._values.spending import BUDGET, MOST_ENTRIES, spending

MOST_TAKEN: Final = 2_000
"""Entries of one list that are taken: half of them from its beginning, half from its end."""


def each(items: Sequence[Any], most: int = MOST_TAKEN) -> Iterator[Any]:
    """The entries of a list, with a mark as an entry in place of those that are left out; the last one always comes."""
    if len(items) > most:
        half = most // 2
        mark = MARK_MORE.format(len(items) - 2 * half)
        items = [*islice(items, half), mark, *items[-half:]]
    opened = spending.left is None
    if opened:
        spending.left, spending.entries = BUDGET, MOST_ENTRIES
    try:
        yield from _within_budget(items)
    finally:
        if opened:
            spending.left = None


def _within_budget(items: Sequence[Any]) -> Iterator[Any]:
    last = len(items) - 1
    for position, item in enumerate(items):
        if position < last and (spending.entries <= 0 or (spending.left or 0) <= 0):
            left_out = last - position
            yield (MARK_MORE if spending.entries <= 0 else MARK_TIME).format(left_out)
            yield items[last]
            return
        spending.entries -= 1
        yield item
