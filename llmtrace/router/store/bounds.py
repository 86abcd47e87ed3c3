"""Which decisions a period holds, by halving: their numbers rise with their time, so that no index is needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from llmtrace.router.store.schema import decisions


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers from ``start`` until just before ``end``, and whether the period had more before them."""

    start: int
    end: int
    is_cut: bool


def bounds(connection: Connection, since: datetime, until: datetime, most: int) -> Bounds:
    """The period's latest ``most`` decisions."""
    # One at a time: of both together SQLite reads the whole table.
    lowest = int(connection.scalar(select(func.min(decisions.c.id))) or 0)
    highest = int(connection.scalar(select(func.max(decisions.c.id))) or -1)
    last = connection.scalar(select(decisions.c.decided_at).where(decisions.c.id == highest))
    is_over = last is None or last < until
    end = highest + 1 if is_over else _first(connection, until, lowest, highest + 1)
    start = _first(connection, since, max(lowest, end - most), end)
    return Bounds(start, end, start > lowest and _has_before(connection, start, since))


def _has_before(connection: Connection, start: int, since: datetime) -> bool:
    earlier = select(decisions.c.decided_at).where(decisions.c.id < start).order_by(decisions.c.id.desc()).limit(1)
    at = connection.scalar(earlier)
    return at is not None and at >= since


def _first(connection: Connection, moment: datetime, low: int, high: int) -> int:
    """The first decision from then on; ``high`` where there is none before it."""
    middle = low  # first: where a period is cut, it is there
    while low < high:
        at = connection.scalar(
            select(decisions.c.decided_at).where(decisions.c.id >= middle).order_by(decisions.c.id).limit(1)
        )
        if at is None or at >= moment:
            high = middle
        else:
            low = middle + 1
        middle = (low + high) // 2
    return low
