"""Incidents in the store: steps that are due are taken, and what people do is written and told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, insert, select, update

from llmtrace.router.model import Act, IncidentState, Phase, Reason, Status, Step
from llmtrace.router.ports import Desk
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.messages import Message, send_all
from llmtrace.router.store.repair import mend_incident
from llmtrace.router.store.rows import AnyRow, to_incident
from llmtrace.router.store.schema import Time, groups, incidents, members, states
from llmtrace.router.store.statement import Statement

_DUE: Final = Statement(
    select(incidents)
    .where(incidents.c.escalate_at <= bindparam("now", type_=Time))
    .order_by(incidents.c.escalate_at)
    .limit(bindparam("most", type_=Integer))
)
_LOOK_AGAIN: Final = timedelta(minutes=1)
"""A step waits so long where all alerts are over and the message about it is still to come."""


def escalate(connection: Connection, desk: Desk, trail: AuditTrail, now: datetime, limit: int) -> int:
    """Take each step that is due, one of each incident; returns how many were due."""
    rows = _DUE.rows(connection, now=now, most=limit)
    for row in rows:
        step = to_incident(row).step_due(now)
        firing = _firing(connection, row.group_key)
        if step is None:  # the clock was set back
            _set(connection, row.id, escalate_at=row.opened_at + to_incident(row).steps[row.step].after)
        elif not firing:
            _set(connection, row.id, escalate_at=now + _LOOK_AGAIN)
        else:
            _take(connection, row, step, firing, desk, trail, now)
    return len(rows)


def act(connection: Connection, incident_id: int, what: Act, who: str, desk: Desk, now: datetime) -> bool | None:
    """Acknowledge or resolve; False where it was so already, None where there is no such incident."""
    row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).one_or_none()
    if row is None:
        return None
    if row.state == IncidentState.RESOLVED or (what is Act.ACKNOWLEDGE and row.state == IncidentState.ACKNOWLEDGED):
        return False
    if not isinstance(row.receivers, list):  # what a person does must not fail for what nobody can read
        mend_incident(connection, row)
        row = connection.execute(select(incidents).where(incidents.c.id == incident_id)).one()
    trail = AuditTrail(connection, now)
    if what is Act.ACKNOWLEDGE:
        _acknowledge(connection, row, who, desk, trail, now)
    else:
        _resolve(connection, row, who, desk, trail, now)
    trail.write()
    return True


def _acknowledge(connection: Connection, row: AnyRow, who: str, desk: Desk, trail: AuditTrail, now: datetime) -> None:
    _set(
        connection, row.id, state=IncidentState.ACKNOWLEDGED, acknowledged_at=now, acknowledged_by=who, escalate_at=None
    )
    trail.add("incident_acknowledged", {"by": who}, incident_id=row.id)
    firing = _firing(connection, row.group_key)
    hearing = {destination.receiver for destination in desk.acknowledging} & set(row.receivers)
    if hearing and firing:
        receivers = [receiver for receiver in row.receivers if receiver in hearing]
        _say(connection, row, Phase.ACKNOWLEDGED, receivers, firing, desk, trail, now, who=who)


def _resolve(connection: Connection, row: AnyRow, who: str, desk: Desk, trail: AuditTrail, now: datetime) -> None:
    firing = _firing(connection, row.group_key)
    over = {"status": Status.RESOLVED, "told_at": None, "resolve_at": None}
    connection.execute(update(states).where(states.c.group_key == row.group_key).values(**over))
    _set(connection, row.id, state=IncidentState.RESOLVED, resolved_at=now, resolved_by=who, escalate_at=None)
    trail.add("incident_resolved", {"by": who}, incident_id=row.id)
    if firing:
        _say(connection, row, Phase.RESOLVED, row.receivers, firing, desk, trail, now, who=who)


def _take(
    connection: Connection,
    row: AnyRow,
    step: Step,
    firing: Sequence[AnyRow],
    desk: Desk,
    trail: AuditTrail,
    now: datetime,
) -> None:
    told = list(dict.fromkeys((*row.receivers, *step.receivers)))
    _set(connection, row.id, step=step.number, escalate_at=step.next_at, receivers=told)
    trail.add("incident_escalated", {"step": step.number, "receivers": list(step.receivers)}, incident_id=row.id)
    _say(connection, row, Phase.FIRING, step.receivers, firing, desk, trail, now, step=step.number)


def _say(
    connection: Connection,
    row: AnyRow,
    phase: Phase,
    receivers: Sequence[str],
    firing: Sequence[AnyRow],
    desk: Desk,
    trail: AuditTrail,
    now: datetime,
    *,
    who: str = "",
    step: int = 0,
) -> None:
    """A message about all alerts of the incident that fire, outside of the group's own rhythm."""
    sequence = int(connection.execute(select(groups.c.sequence).where(groups.c.key == row.group_key)).scalar_one()) + 1
    connection.execute(update(groups).where(groups.c.key == row.group_key).values(sequence=sequence))
    reason = Reason.BY_PERSON if who else Reason.ESCALATED
    message = Message(
        row.group_key, sequence, phase, reason, row.tier, firing[0].decision_id, receivers, row.id, step, who
    )
    only = desk.acknowledging if phase is Phase.ACKNOWLEDGED else None
    (identifier,) = send_all(connection, [message], desk, trail, now, only)
    ended_at = now if phase is Phase.RESOLVED else None
    rows = [
        {"group_key": row.group_key, "alert_id": state.alert_id, "decision_id": state.decision_id,
         "ended_at": ended_at, "notification_id": identifier}
        for state in firing
    ]  # fmt: skip
    connection.execute(insert(members), rows)


def _firing(connection: Connection, group_key: str) -> Sequence[AnyRow]:
    """The alerts of a group that fire and that somebody was told of."""
    query = select(states.c.alert_id, states.c.decision_id).where(
        states.c.group_key == group_key, states.c.status == Status.FIRING, states.c.told_at.is_not(None)
    )
    return connection.execute(query.order_by(states.c.alert_id)).all()


def _set(connection: Connection, incident_id: int, **values: object) -> None:
    connection.execute(update(incidents).where(incidents.c.id == incident_id).values(**values))


def of_group(connection: Connection, dedup_key: str, at: datetime) -> int | None:
    """The incident that a destination knew by this key then, where it is not resolved."""
    query = select(incidents.c.id).where(
        incidents.c.dedup_key == dedup_key, incidents.c.state != IncidentState.RESOLVED, incidents.c.opened_at <= at
    )
    found: int | None = connection.scalar(query.limit(1))
    return found
