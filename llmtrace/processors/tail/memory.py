"""What the tail remembers of traces that are decided: the verdicts, and dropped spans that may still be wanted."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from llmtrace.processors.tail.buffer import weight_of
from llmtrace.processors.tail.policies import Ended
from llmtrace.processors.tail.trace import Verdict

MOST_VERDICTS: Final = 50_000
GRAVE_SECONDS: Final = 60.0


class Verdicts:
    """The verdicts of the last traces: their late spans follow."""

    def __init__(self, most: int = MOST_VERDICTS) -> None:
        self._most = most
        self._verdicts: OrderedDict[int, Verdict] = OrderedDict()
        self.get = self._verdicts.get
        """The verdict on a trace, by its id, where it is remembered; from any thread."""

    def put(self, trace_id: int, verdict: Verdict) -> None:
        """Remember; the oldest is forgotten."""
        self._verdicts[trace_id] = verdict
        if len(self._verdicts) > self._most:
            self._verdicts.popitem(last=False)

    def __len__(self) -> int:
        return len(self._verdicts)


@dataclass(slots=True)
class _Buried:
    at: int
    count: int
    weight: int
    spans: list[Ended]
    is_whole: bool
    """Whether no span of the trace is gone."""


class Grave:
    """The spans of traces that were dropped a moment ago: an error that comes late still finds them."""

    def __init__(self, most_spans: int, most_bytes: int) -> None:
        self._most_spans = most_spans
        self._most_bytes = most_bytes
        self._fallen: deque[tuple[int, list[Ended], bool]] = deque(maxlen=max(1, most_spans // 8))
        self._buried: OrderedDict[int, _Buried] = OrderedDict()
        self.spans = 0
        self.weight = 0

    def drop(self, trace_id: int, spans: list[Ended], *, late: bool = False) -> None:
        """Lay dropped spans aside until `bury`: of many at once only the last are weighed, as only they will stay.

        Args:
            trace_id: whose they are.
            spans: a trace, or, `late`, a span that came after the others.
            late: see there.
        """
        self._fallen.append((trace_id, spans, late))

    def bury(self, now: int) -> None:
        """Weigh what was laid aside; the oldest make room."""
        while self._fallen:
            trace_id, spans, late = self._fallen.popleft()
            before = self._taken(trace_id)
            is_whole = not late if before is None else before.is_whole
            spans = spans if before is None else [*before.spans, *spans]
            held = _held_by(spans)
            count, weight = len(held), sum(map(weight_of, held))
            if count > self._most_spans or weight > self._most_bytes:
                continue
            self._buried[trace_id] = _Buried(now, count, weight, spans, is_whole)
            self.spans += count
            self.weight += weight
        while self.spans > self._most_spans or self.weight > self._most_bytes:
            self._taken(next(iter(self._buried)))

    def exhume(self, trace_id: int, now: int) -> tuple[list[Ended], bool]:
        """Take a trace's spans back; and whether that is all of it."""
        self.bury(now)
        found = self._taken(trace_id)
        return ([], False) if found is None else (found.spans, found.is_whole)

    def holds(self, trace_id: int) -> bool:
        """Whether spans of that trace are here; asked from any thread."""
        return trace_id in self._buried or any(trace_id == fallen for fallen, _, _ in tuple(self._fallen))

    def _taken(self, trace_id: int) -> _Buried | None:
        found = self._buried.pop(trace_id, None)
        if found is not None:
            self.spans -= found.count
            self.weight -= found.weight
        return found

    def forget(self, before: int) -> None:
        """Let go of what was buried before that time."""
        while self._buried and next(iter(self._buried.values())).at < before:
            self._taken(next(iter(self._buried)))

    def __bool__(self) -> bool:
        return bool(self._buried or self._fallen)


def _held_by(spans: list[Ended]) -> Sequence[Ended]:
    """The spans, and the root of theirs that never ended: they refer to it, and so it is there as long as they are."""
    root = getattr(spans[0], "_root", None) if spans else None
    return spans if root is None or root.end_time is not None else [*spans, root]
