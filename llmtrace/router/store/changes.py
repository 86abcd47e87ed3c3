"""Changes in the store: kept as long as alerts are, and read by the time at which they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from llmtrace.router.model import Change
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.schema import changes

MOST: Final = 200


def add(connection: Connection, given: Sequence[Change], trail: AuditTrail) -> None:
    """New ones."""
    connection.execute(insert(changes), [asdict(change) for change in given])
    for change in given:
        said = {name: value for name, value in asdict(change).items() if value}
        trail.add("change", {**said, "at": change.at.isoformat()})


def between(connection: Connection, since: datetime, until: datetime) -> list[Change]:
    """The newest first."""
    query = select(changes).where(changes.c.at >= since, changes.c.at <= until)
    rows = connection.execute(query.order_by(changes.c.at.desc(), changes.c.id.desc()).limit(MOST)).mappings()
    return [Change(**{name: value for name, value in row.items() if name != "id"}) for row in rows]


def newest(connection: Connection) -> datetime | None:
    """When the last one was made."""
    found: datetime | None = connection.scalar(select(func.max(changes.c.at)))
    return found


def forget(connection: Connection, before: datetime) -> None:
    """Take out old ones."""
    connection.execute(delete(changes).where(changes.c.at < before))
