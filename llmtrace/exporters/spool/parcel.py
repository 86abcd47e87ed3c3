"""An encoded span that waits: since when, and where its copy on disk stands."""

from __future__ import annotations

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


def size_of(parcels: Iterable[Parcel]) -> int:
    """Bytes of their spans."""
    return sum(parcel.span.size for parcel in parcels)
