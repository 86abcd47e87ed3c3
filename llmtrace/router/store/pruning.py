"""Pruning: what is over and too old goes, a little at a time, so that the database stops growing.

What fires, waits or is open stays, however old. The audit trail is cut at its beginning only: ``about`` keeps the
number and the hash of the last entry that went, so that the rest still verifies, and the cut is itself an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Table, and_, delete, exists, func, select, update

from llmtrace.router.model import IncidentState, Status
from llmtrace.router.ports import Retention
from llmtrace.router.store import changes, handles, quarantine, rollouts, shadows
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.schema import (
    PENDING,
    about,
    alerts,
    audit,
    decisions,
    deliveries,
    groups,
    incidents,
    members,
    notifications,
    silences,
    states,
)

AT_ONCE: Final = 500
"""Rows of each table in one transaction."""


def prune(connection: Connection, retention: Retention, trail: AuditTrail, now: datetime) -> bool:
    """Take out what is too old; whether there may be more."""
    before = now - retention.alerts
    # In an order in which nothing is left that points at what is gone.
    counts = [
        _delete(connection, deliveries, deliveries.c.created_at, before, deliveries.c.state != PENDING),
        _delete_members(connection, before),
        _delete(connection, notifications, notifications.c.created_at, before, *_unused_notification()),
        _delete_states(connection, before),
        _delete(connection, incidents, incidents.c.opened_at, before, *_unused_incident(before)),
        _delete_decisions(connection, before),
        _delete(connection, alerts, alerts.c.received_at, before, *_unused_alert()),
        _delete_groups(connection, before),
        _cut_audit(connection, now - retention.audit, trail),
    ]
    connection.execute(delete(silences).where(silences.c.ends_at < before))
    rollouts.forget(connection, before)
    shadows.forget(connection, before)
    changes.forget(connection, before)
    handles.forget(connection)
    quarantine.forget(connection, before)
    return max(counts) >= AT_ONCE


def _first_after(connection: Connection, table: Table, at: Column[Any], before: datetime) -> int:
    """The id from which on rows are young enough: rows come in the order of their time."""
    young = select(table.c.id).where(at >= before).order_by(table.c.id).limit(1)
    found = connection.scalar(young)
    return int(found) if found is not None else int(connection.scalar(select(func.max(table.c.id))) or 0) + 1


def _delete(
    connection: Connection, table: Table, at: Column[Any], before: datetime, *conditions: ColumnElement[bool]
) -> int:
    old = table.c.id < _first_after(connection, table, at, before)
    found = select(table.c.id).where(old, *conditions).order_by(table.c.id).limit(AT_ONCE)
    return _delete_ids(connection, table, connection.scalars(found).all())


def _delete_ids(connection: Connection, table: Table, ids: Sequence[int]) -> int:
    if ids:
        connection.execute(delete(table).where(table.c.id.in_(ids)))
    return len(ids)


def _delete_members(connection: Connection, before: datetime) -> int:
    """Of notifications of which no delivery is left."""
    told = notifications.c.id == members.c.notification_id
    sent = exists().where(deliveries.c.notification_id == members.c.notification_id)
    last = _first_after(connection, notifications, notifications.c.created_at, before)
    found = select(members.c.id).join(notifications, told).where(notifications.c.id < last, ~sent)
    return _delete_ids(connection, members, connection.scalars(found.order_by(members.c.id).limit(AT_ONCE)).all())


def _unused_notification() -> tuple[ColumnElement[bool], ...]:
    return (
        ~exists().where(deliveries.c.notification_id == notifications.c.id),
        ~exists().where(members.c.notification_id == notifications.c.id),
    )


def _delete_states(connection: Connection, before: datetime) -> int:
    """Of alerts that are over."""
    last = _first_after(connection, decisions, decisions.c.decided_at, before)
    old = (states.c.status == Status.RESOLVED) & (states.c.decision_id < last)
    found = connection.execute(select(states.c.route, states.c.fingerprint).where(old).limit(AT_ONCE)).all()
    for row in found:
        this = and_(states.c.route == row.route, states.c.fingerprint == row.fingerprint)
        connection.execute(delete(states).where(this))
    return len(found)


def _unused_incident(before: datetime) -> tuple[ColumnElement[bool], ...]:
    over = (incidents.c.state == IncidentState.RESOLVED) & (incidents.c.resolved_at < before)
    return over, ~exists().where(notifications.c.incident_id == incidents.c.id)


def _delete_decisions(connection: Connection, before: datetime) -> int:
    """Only up to the mark in ``about`` does the database let them go."""
    last = _first_after(connection, decisions, decisions.c.decided_at, before) - 1
    connection.execute(update(about).where(about.c.decisions_pruned < last).values(decisions_pruned=last))
    used = [
        exists().where(states.c.decision_id == decisions.c.id),
        exists().where(members.c.decision_id == decisions.c.id),
        exists().where(notifications.c.decision_id == decisions.c.id),
    ]
    found = select(decisions.c.id).where(decisions.c.id <= last, *(~each for each in used))
    ids = connection.scalars(found.order_by(decisions.c.id).limit(AT_ONCE)).all()
    return _delete_ids(connection, decisions, ids)


def _unused_alert() -> tuple[ColumnElement[bool], ...]:
    return (
        ~exists().where(decisions.c.alert_id == alerts.c.id),
        ~exists().where(states.c.alert_id == alerts.c.id),
        ~exists().where(members.c.alert_id == alerts.c.id),
    )


def _delete_groups(connection: Connection, before: datetime) -> int:
    """Which nothing belongs to any more."""
    unused = [
        ~exists().where(table.c.group_key == groups.c.key) for table in (states, members, notifications, incidents)
    ]
    rested = groups.c.due_at.is_(None) & (groups.c.told_at.is_(None) | (groups.c.told_at < before))
    keys = connection.scalars(select(groups.c.key).where(rested, *unused).limit(AT_ONCE)).all()
    if keys:
        connection.execute(delete(groups).where(groups.c.key.in_(keys)))
    return len(keys)


def _cut_audit(connection: Connection, before: datetime, trail: AuditTrail) -> int:
    """The oldest entries, without a gap, never the last one."""
    limit = _first_after(connection, audit, audit.c.at, before)
    found = select(audit.c.id, audit.c.hash).where(audit.c.id < limit).order_by(audit.c.id).limit(AT_ONCE)
    rows = connection.execute(found).all()
    newest = connection.scalar(select(func.max(audit.c.id)))
    rows = [row for row in rows if row.id != newest]
    if not rows:
        return 0
    last = rows[-1]
    connection.execute(update(about).values(audit_pruned=last.id, audit_pruned_hash=last.hash))
    connection.execute(delete(audit).where(audit.c.id <= last.id))
    trail.add("audit_cut", {"up_to": last.id, "hash": last.hash})
    return len(rows)
