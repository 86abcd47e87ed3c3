"""What was read from disk and waits to be sent; and what waits behind all others, as the backend fails at it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from llmtrace.exporters.spool.parcel import Parcel, taken_from
from llmtrace.exporters.spool.segment import Segment

ASIDE_FOR: Final = 5.0
"""Seconds between two attempts with spans at which the backend fails while it takes others."""


class Shelf:
    """Guarded by the lock of the spool."""

    def __init__(self) -> None:
        self._next: deque[Parcel] = deque()
        self._aside: deque[Parcel] = deque()
        self._aside_until = float("-inf")

    def __len__(self) -> int:
        return len(self._next) + len(self._aside)

    def __iter__(self) -> Iterator[Parcel]:
        yield from self._next
        yield from self._aside

    @property
    def next_ones(self) -> int:
        """How many can be taken before more need be read."""
        return len(self._next)

    @property
    def kept_back(self) -> int:
        """Those that `take` would not give now."""
        return len(self._aside) if time.monotonic() < self._aside_until else 0

    def put(self, parcels: Iterable[Parcel]) -> None:
        """Behind the next ones."""
        self._next.extend(parcels)

    def put_first(self, parcels: Iterable[Parcel]) -> None:
        """Before them."""
        self._next.extendleft(reversed(list(parcels)))

    def put_aside(self, parcels: Iterable[Parcel]) -> None:
        """Behind all others, for a while."""
        self._aside.extend(parcels)
        self._aside_until = time.monotonic() + ASIDE_FOR

    def take(self, most_spans: int, most_bytes: int) -> list[Parcel]:
        """The next ones; one at least, if there is one, however large it is."""
        if not self._next and not self.kept_back:
            self._next, self._aside = self._aside, deque()
        return taken_from([self._next], most_spans, most_bytes)

    def drop(self, segment: Segment) -> int:
        """The file is given up, and with it what was read from it: so many."""
        gone = [parcel for parcel in self if parcel.segment is segment]
        for parcel in gone:
            parcel.is_done = True
        self._next = deque(parcel for parcel in self._next if not parcel.is_done)
        self._aside = deque(parcel for parcel in self._aside if not parcel.is_done)
        return len(gone)
