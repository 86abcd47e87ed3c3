"""Silences in the store: made and ended by people, kept for good."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from llmtrace.router import matchers
from llmtrace.router.matchers import Silence
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import Time, silences, states
from llmtrace.router.store.statement import Statement
from llmtrace.router.store.unreadable import READING

_ACTIVE: Final = Statement(select(silences).where(silences.c.ends_at > bindparam("now", type_=Time)))


def active(connection: Connection, now: datetime) -> Sequence[Silence]:
    """Those that are not over."""
    return [each for row in _ACTIVE.rows(connection, now=now) if (each := _silence(row)) is not None]


def add(connection: Connection, silence: Silence, trail: AuditTrail, now: datetime) -> None:
    """A new one."""
    row = {
        "id": silence.id,
        "matchers": [str(matcher) for matcher in silence.matchers],
        "starts_at": silence.starts_at,
        "ends_at": silence.ends_at,
        "created_by": silence.created_by,
        "comment": silence.comment,
        "created_at": now,
    }
    connection.execute(insert(silences), [row])
    about = {name: row[name] for name in ("id", "matchers", "created_by", "comment")}
    trail.add("silence_added", {**about, "ends_at": silence.ends_at.isoformat()})


def end(connection: Connection, identifier: str, who: str, trail: AuditTrail, now: datetime) -> bool:
    """End one now; what it held is decided again. False where there is none that is not over."""
    this = update(silences).where(silences.c.id == identifier, silences.c.ends_at > now)
    if connection.execute(this.values(ends_at=now)).rowcount == 0:
        return False
    held = update(states).where(states.c.held_by == identifier)
    connection.execute(held.values(held_until=now))
    trail.add("silence_ended", {"id": identifier, "by": who})
    return True


def _silence(row: AnyRow) -> Silence | None:
    """None: it cannot be read, so that it holds nothing back."""
    try:
        read = tuple(matchers.parse(text) for text in row.matchers)
    except READING:
        return None
    return Silence(row.id, read, row.starts_at, row.ends_at, row.created_by, row.comment)
