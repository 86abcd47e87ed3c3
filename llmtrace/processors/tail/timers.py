"""Which traces are due by time: those that have become slow, that have lost their roots, that are too old."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator

from llmtrace.processors.tail.trace import OpenTrace


class Timers:
    """Traces in the order in which they come due; all of one kind wait equally long. Times are nanoseconds."""

    def __init__(self, slow: int, grace: int, max_age: int) -> None:
        self._until_slow = min(slow, max_age)
        self._grace = grace
        self._max_age = max_age
        self._young: OrderedDict[OpenTrace, None] = OrderedDict()
        self._old: OrderedDict[OpenTrace, None] = OrderedDict()
        self._graces: deque[tuple[int, OpenTrace]] = deque()

    def begin(self, trace: OpenTrace) -> None:
        """An undecided trace is open."""
        self._young[trace] = None

    def outlive(self, trace: OpenTrace) -> None:
        """A decided trace is open still."""
        self._young.pop(trace, None)
        self._old[trace] = None

    def forget(self, trace: OpenTrace) -> None:
        """It is over."""
        self._young.pop(trace, None)
        self._old.pop(trace, None)

    def lose_root(self, trace: OpenTrace, now: int) -> None:
        """Its last local root has ended, others of its spans have not."""
        trace.grace_ends = now + self._grace
        self._graces.append((trace.grace_ends, trace))

    def graces_over(self, now: int) -> Iterator[OpenTrace]:
        """Undecided traces whose spans have been waited for long enough."""
        while self._graces and self._graces[0][0] <= now:
            due, trace = self._graces.popleft()
            if trace.verdict is None and not trace.roots and trace.grace_ends == due:
                yield trace

    def slow(self, now: int) -> Iterator[OpenTrace]:
        """Traces that have become slow, or too old, undecided."""
        while self._young and (trace := next(iter(self._young))).began + self._until_slow <= now:
            del self._young[trace]
            yield trace

    def too_old(self, now: int) -> Iterator[OpenTrace]:
        """Decided traces that are waited for no longer."""
        while self._old and (trace := next(iter(self._old))).began + self._max_age <= now:
            del self._old[trace]
            yield trace

    def oldest(self) -> OpenTrace | None:
        """Who has to go where there are too many."""
        return next(iter(self._old or self._young), None)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
