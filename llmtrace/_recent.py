"""The traces of the last requests of this process: a thumb that comes back for one of them needs no question."""

from __future__ import annotations

from collections import deque
from typing import Final

MOST: Final = 10_000


class RecentTraces:
    """A bounded memory of trace ids. Each call is a few atomic steps, from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._order: deque[int] = deque()
        self._ids: set[int] = set()

    def add(self, trace_id: int) -> None:
        """Remember one; the oldest is forgotten."""
        if trace_id not in self._ids:
            self._ids.add(trace_id)
            self._order.append(trace_id)
            if len(self._order) > self._most:
                self._ids.discard(self._order.popleft())

    def __contains__(self, trace_id: object) -> bool:
        return trace_id in self._ids

    def __len__(self) -> int:
        return len(self._ids)


recent: Final = RecentTraces()
"""What the middleware fills and the feedback route asks."""
