"""What the tail remembers of traces that are decided: the verdicts, and dropped spans that may still be wanted."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from llmtrace.processors.tail_buffer import weight_of
from llmtrace.processors.tail_policies import Ended
from llmtrace.processors.tail_trace import Verdict

MOST_VERDICTS: Final = 50_000
GRAVE_SECONDS: Final = 60.0


class Verdicts:
    """The verdicts of the last traces: their late spans follow."""

    def __init__(self, most: int = MOST_VERDICTS) -> None:
        self._most = most
        self._verdicts: OrderedDict[int, Verdict] = OrderedDict()

    def put(self, trace_id: int, verdict: Verdict) -> None:
        """Remember; the oldest is forgotten."""
        self._verdicts[trace_id] = verdict
        if len(self._verdicts) > self._most:
            self._verdicts.popitem(last=False)

    def get(self, trace_id: int) -> Verdict | None:
        """The verdict, where it is remembered."""
        return self._verdicts.get(trace_id)

    def __len__(self) -> int:
        return len(self._verdicts)


@dataclass(slots=True)
class _Buried:
    at: int
    weight: int = 0
    spans: list[Ended] = field(default_factory=list)


class Grave:
    """The spans of traces that were dropped a moment ago: an error that comes late still finds them."""

    def __init__(self, most_spans: int, most_bytes: int) -> None:
        self._most_spans = most_spans
        self._most_bytes = most_bytes
        self._buried: OrderedDict[int, _Buried] = OrderedDict()
        self.spans = 0
        self.weight = 0

    def bury(self, trace_id: int, spans: list[Ended], weight: int, now: int) -> None:
        """Lay a dropped trace down; the oldest make room."""
        if not spans or len(spans) > self._most_spans or weight > self._most_bytes:
            return
        self.exhume(trace_id)
        self._buried[trace_id] = _Buried(now, weight, spans)
        self.spans += len(spans)
        self.weight += weight
        while self.spans > self._most_spans or self.weight > self._most_bytes:
            self.exhume(next(iter(self._buried)))

    def exhume(self, trace_id: int) -> list[Ended]:
        """Take a trace's spans back; empty where they are gone."""
        found = self._buried.pop(trace_id, None)
        if found is None:
            return []
        self.spans -= len(found.spans)
        self.weight -= found.weight
        return found.spans

    def add(self, trace_id: int, span: Ended, now: int) -> None:
        """Lay a late span beside the others of its trace."""
        known = self._buried.get(trace_id)
        weight = weight_of(span)
        spans = self.exhume(trace_id) if known else []
        self.bury(trace_id, [*spans, span], weight + (known.weight if known else 0), now)

    def forget(self, before: int) -> None:
        """Let go of what was buried before that time."""
        while self._buried and next(iter(self._buried.values())).at < before:
            self.exhume(next(iter(self._buried)))

    def __bool__(self) -> bool:
        return bool(self._buried)
