"""An encoded span that waits: since when, and where its copy on disk stands."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from llmtrace.exporters.encoded import EncodedSpan

if TYPE_CHECKING:
    from llmtrace.exporters.spool.segment import Segment


class Shape(Enum):
    """What is left of a span that its backend found too large."""

    WHOLE = "whole"
    CUT = "cut"
    TOMBSTONE = "tombstone"


@dataclass(slots=True, eq=False)
class Parcel:
    """A span on its way to one backend. It is the same parcel from the queue to the backend's answer."""

    span: EncodedSpan
    since: float
    """When it was offered, by time.monotonic()."""
    segment: Segment | None = None
    """The file of the spool that has a copy."""
    index: int = 0
    """Which of the file's spans it is."""
    shape: Shape = Shape.WHOLE
    is_done: bool = False
    """Delivered, or given up: nothing is to be done for it any more."""

    def is_unwritten(self) -> bool:
        """Whether it is to be written to disk, where it goes there; what somebody removed from it, again."""
        if self.segment is not None and self.segment.is_gone:
            self.segment = None
        return self.segment is None and not self.is_done


def taken_from(lines: Iterable[deque[Parcel]], most_spans: int, most_bytes: int) -> list[Parcel]:
    """Take the next parcels out of these lines; one at least, if there is one, however large it is."""
    taken: list[Parcel] = []
    for line in lines:
        while line and len(taken) < most_spans and (line[0].span.size <= most_bytes or not taken):
            taken.append(line.popleft())
            most_bytes -= taken[-1].span.size
    return taken


def size_of(parcels: Iterable[Parcel]) -> int:
    """Bytes of their spans."""
    return sum(parcel.span.size for parcel in parcels)
