"""Repair: rows that cannot be read as they stand get what can be read of them, and the rest is told to somebody."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection, or_, select, update

from llmtrace.router.model import SEVERITIES, IncidentState, Status
from llmtrace.router.store.rows import AnyRow, to_incident
from llmtrace.router.store.schema import incidents, states
from llmtrace.router.store.unreadable import READING
from llmtrace.semconv.alert import Severity

_STATUSES: Final = [each.value for each in Status]


def unreadable_incidents(connection: Connection) -> Iterator[tuple[AnyRow, Exception]]:
    """Those that are not over."""
    for row in connection.execute(select(incidents).where(incidents.c.state != IncidentState.RESOLVED)):
        try:
            to_incident(row)
        except READING as fault:
            yield row, fault


def mend_incident(connection: Connection, row: AnyRow) -> None:
    """It stays open, and those hear of it who can be read; of its escalation nothing is left."""
    said = row.receivers if isinstance(row.receivers, list) else []
    kept = [each for each in said if isinstance(each, str)]
    state = row.state if row.state in list(IncidentState) else IncidentState.OPEN
    values = {"receivers": kept, "steps": [], "step": 0, "escalate_at": None, "state": state}
    connection.execute(update(incidents).where(incidents.c.id == row.id).values(**values))


def mend_states(connection: Connection) -> int:
    """What says no status fires, and what does not say how bad it is may be the worst; how many there were."""
    odd_status, odd_severity = states.c.status.not_in(_STATUSES), states.c.severity.not_in(SEVERITIES)
    count = len(connection.execute(select(states.c.alert_id).where(or_(odd_status, odd_severity))).all())
    if count:
        connection.execute(update(states).where(odd_status).values(status=Status.FIRING))
        connection.execute(update(states).where(odd_severity).values(severity=Severity.CRITICAL.value))
    return count
