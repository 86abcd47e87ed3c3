"""Handles: what a destination calls its message or ticket about an incident, so that the next one is about the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, and_, delete, exists, insert, select

from llmtrace.router.model import Attempt, Delivery
from llmtrace.router.store.schema import deliveries, handles, incidents, notifications


def keep(connection: Connection, attempts: Sequence[Attempt]) -> None:
    """Those that attempts brought, whatever became of the attempt."""
    brought = {attempt.delivery_id: attempt.receipt.handle for attempt in attempts if attempt.receipt.handle}
    if not brought:
        return
    query = (
        select(deliveries.c.id, deliveries.c.receiver, deliveries.c.notifier, notifications.c.incident_id)
        .select_from(deliveries.join(notifications))
        .where(deliveries.c.id.in_(brought), notifications.c.incident_id.is_not(None))
    )
    for row in connection.execute(query.order_by(deliveries.c.id)).all():
        key = {"incident_id": row.incident_id, "receiver": row.receiver, "notifier": row.notifier}
        connection.execute(delete(handles).where(*(handles.c[name] == value for name, value in key.items())))
        connection.execute(insert(handles).values(**key, handle=brought[row.id]))


def with_handles(connection: Connection, found: Sequence[Delivery]) -> list[Delivery]:
    """The same, each with what its destination said before. The first message about a group has nothing to ask for."""
    asking = [each.id for each in found if each.notification.sequence > 1 or each.attempts]
    if not asking:
        return list(found)
    same = and_(
        handles.c.incident_id == notifications.c.incident_id,
        handles.c.receiver == deliveries.c.receiver,
        handles.c.notifier == deliveries.c.notifier,
    )
    query = (
        select(deliveries.c.id, handles.c.handle)
        .select_from(deliveries.join(notifications).join(handles, same))
        .where(deliveries.c.id.in_(asking))
    )
    known = {row.id: row.handle for row in connection.execute(query)}
    return [replace(each, handle=known.get(each.id, "")) for each in found]


def forget(connection: Connection) -> None:
    """Of incidents that are no more."""
    connection.execute(delete(handles).where(~exists().where(incidents.c.id == handles.c.incident_id)))
