"""What waits in memory for one backend: bounded in spans and in bytes, in two classes.

What a rule kept is sent before what chance kept, and given up after it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

from llmtrace.exporters.spool.parcel import Parcel, size_of, taken_from

MOST_SPANS: Final = 32_768
MOST_BYTES: Final = 128 * 1024 * 1024


class SpanQueue:
    """Two lines of parcels, each in the order of arrival. Guarded by whoever owns it."""

    def __init__(self, most_spans: int = MOST_SPANS, most_bytes: int = MOST_BYTES) -> None:
        self._most_spans = most_spans
        self._most_bytes = most_bytes
        self._by_rule: deque[Parcel] = deque()
        self._by_chance: deque[Parcel] = deque()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._by_rule) + len(self._by_chance)

    def __iter__(self) -> Iterator[Parcel]:
        yield from self._by_rule
        yield from self._by_chance

    def put(self, parcels: Iterable[Parcel]) -> list[Parcel]:
        """Take parcels; returns those that had to go for them, first the oldest of the lower class; maybe of these."""
        size = 0
        for parcel in parcels:
            data, _, by_rule = parcel.span
            (self._by_rule if by_rule else self._by_chance).append(parcel)
            size += len(data)
        self.bytes += size
        return self._excess()

    def put_back(self, parcels: Iterable[Parcel]) -> list[Parcel]:
        """Take parcels again that could not be sent, before all others; returns those that had to go for them."""
        for parcel in reversed(list(parcels)):
            self._line(parcel).appendleft(parcel)
            self.bytes += parcel.span.size
        return self._excess()

    def take(self, most_spans: int, most_bytes: int) -> list[Parcel]:
        """The next parcels; one at least, if there is one, however large it is."""
        taken = taken_from((self._by_rule, self._by_chance), most_spans, most_bytes)
        self.bytes -= size_of(taken)
        return taken

    def take_all(self) -> list[Parcel]:
        """All of them."""
        return self.take(len(self), self.bytes)

    def take_since(self, moment: float) -> list[Parcel]:
        """Those that were offered at `moment` or before."""
        taken = []
        for line in (self._by_rule, self._by_chance):
            while line and line[0].since <= moment:
                taken.append(self._pop(line))
        return taken

    def waiting_since(self, moment: float) -> list[Parcel]:
        """The same ones, which stay."""
        found = []
        for line in (self._by_rule, self._by_chance):
            for parcel in line:
                if parcel.since > moment:
                    break
                found.append(parcel)
        return found

    @property
    def oldest(self) -> float | None:
        """When the one that waits longest was offered."""
        return min((line[0].since for line in (self._by_rule, self._by_chance) if line), default=None)

    @property
    def is_nearly_full(self) -> bool:
        """Whether half of what may wait does."""
        return len(self) * 2 > self._most_spans or self.bytes * 2 > self._most_bytes

    def _line(self, parcel: Parcel) -> deque[Parcel]:
        return self._by_rule if parcel.span.by_rule else self._by_chance

    def _pop(self, line: deque[Parcel]) -> Parcel:
        parcel = line.popleft()
        self.bytes -= parcel.span.size
        return parcel

    def _excess(self) -> list[Parcel]:
        gone = []
        while len(self) > self._most_spans or self.bytes > self._most_bytes:
            gone.append(self._pop(self._by_chance or self._by_rule))
        return gone
