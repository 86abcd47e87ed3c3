"""Between rows and values: what a decision recalls, and how alerts and notifications come back from their tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from llmtrace.router.model import (
    Alert,
    Delivery,
    Destination,
    Group,
    GroupState,
    Notification,
    Reason,
    Tier,
    Told,
    worst_of_each,
)
from llmtrace.router.store.schema import alerts, deliveries, groups, members, notifications, told
from llmtrace.semconv.alert import Severity


class SqlRecall:
    """What decisions of this transaction recall, those made in it included."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def told(self, route: str, fingerprint: str) -> Told | None:
        """What the route last told about this fingerprint."""
        query = select(told).where(told.c.route == route, told.c.fingerprint == fingerprint)
        row = self._connection.execute(query).one_or_none()
        return None if row is None else Told(Severity(row.severity), row.told_at)

    def group(self, key: str) -> GroupState | None:
        """When the group was last told and is due."""
        row = self._connection.execute(
            select(groups.c.told_at, groups.c.due_at).where(groups.c.key == key)
        ).one_or_none()
        return None if row is None else GroupState(row.told_at, row.due_at)


def save(connection: Connection, table: Any, key: dict[str, Any], values: dict[str, Any], **first: Any) -> None:
    """Update the row with this key, or insert it, then with the values of ``first`` too; the same in every dialect."""
    changed = connection.execute(
        update(table).where(*(table.c[name] == value for name, value in key.items())).values(**values)
    )
    if changed.rowcount == 0:
        connection.execute(insert(table).values(**key, **values, **first))


def to_alert(row: Row[Any]) -> Alert:
    """An alert of a row that holds the columns of ``alerts``."""
    return Alert(row.labels, row.annotations, row.starts_at)


def load_deliveries(connection: Connection, ids: Sequence[int]) -> list[Delivery]:
    """Whole deliveries, in the order of ``ids``."""
    if not ids:
        return []
    query = (
        select(deliveries, *_NOTIFICATION)
        .select_from(deliveries.join(notifications).join(groups))
        .where(deliveries.c.id.in_(ids))
    )
    rows = {row.id: row for row in connection.execute(query)}
    told_alerts = _alerts_of(connection, {row.notification_id for row in rows.values()})
    return [_delivery(rows[identifier], told_alerts[rows[identifier].notification_id]) for identifier in ids]


_NOTIFICATION = (
    notifications.c.sequence,
    notifications.c.tier,
    notifications.c.reason,
    notifications.c.decision_id,
    notifications.c.created_at.label("notified_at"),
    groups.c.key,
    groups.c.labels,
    groups.c.route,
)


def _alerts_of(connection: Connection, notification_ids: set[int]) -> dict[int, list[Alert]]:
    found: dict[int, list[Alert]] = {identifier: [] for identifier in notification_ids}
    query = (
        select(members.c.notification_id, alerts)
        .join(alerts, members.c.alert_id == alerts.c.id)
        .where(members.c.notification_id.in_(notification_ids))
        .order_by(members.c.id)
    )
    for row in connection.execute(query):
        found[row.notification_id].append(to_alert(row))
    return found


def _delivery(row: Row[Any], told_alerts: list[Alert]) -> Delivery:
    notification = Notification(
        dedup_key=row.dedup_key,
        sequence=row.sequence,
        group=Group(row.key, row.labels),
        route=row.route,
        tier=Tier(row.tier),
        reason=Reason(row.reason),
        decision_id=row.decision_id,
        created_at=row.notified_at,
        alerts=worst_of_each(told_alerts),
    )
    return Delivery(row.id, Destination(row.receiver, row.notifier), notification, row.attempts, row.created_at)
