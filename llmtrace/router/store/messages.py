"""Messages: what is written when a group is told, whatever the occasion, and how a delivery comes back whole."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from llmtrace.router.model import (
    Alert,
    Delivery,
    Destination,
    Group,
    Notification,
    Outcome,
    Phase,
    Reason,
    Status,
    Tier,
    digest,
    latest_of_each,
)
from llmtrace.router.ports import Desk
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import PENDING, alerts, deliveries, groups, members, notifications
from llmtrace.router.store.statement import Insertion, Statement, inserting
from llmtrace.router.store.unreadable import READING, alert_of, known, stand_in

GONE = "the configuration names this receiver or notifier no more"

_NOTIFICATIONS: Final = Insertion(notifications)
_DELIVERIES: Final = inserting(deliveries, "id", "attempted_at", "superseded_by")
_LOAD: Final = Statement(
    select(
        deliveries,
        notifications.c.sequence,
        notifications.c.tier,
        notifications.c.reason,
        notifications.c.phase,
        notifications.c.step,
        notifications.c.acted_by,
        notifications.c.incident_id,
        notifications.c.decision_id,
        notifications.c.created_at.label("notified_at"),
        groups.c.key,
        groups.c.labels,
        groups.c.route,
    )
    .select_from(deliveries.join(notifications).join(groups))
    .where(deliveries.c.id.in_(bindparam("ids", expanding=True))),
    "ids",
)
_REPLACED: Final = Statement(
    select(deliveries.c.superseded_by, deliveries.c.notification_id)
    .where(deliveries.c.superseded_by.in_(bindparam("ids", expanding=True)))
    .order_by(deliveries.c.id.desc()),
    "ids",
)
_ALERTS: Final = Statement(
    select(members.c.notification_id, members.c.ended_at, alerts)
    .join(alerts, members.c.alert_id == alerts.c.id)
    .where(members.c.notification_id.in_(bindparam("ids", expanding=True)))
    .order_by(members.c.id),
    "ids",
)


@dataclass(frozen=True, slots=True)
class Message:
    """A notification that is to be written, and who gets it."""

    group_key: str
    sequence: int
    phase: Phase
    reason: str
    tier: str
    decision_id: int
    receivers: Sequence[str]
    incident_id: int | None
    step: int = 0
    acted_by: str = ""
    withheld_from: Sequence[str] = ()
    """Who would be told, were the rule not only recorded."""


def send_all(
    connection: Connection,
    messages: Sequence[Message],
    desk: Desk,
    trail: AuditTrail,
    now: datetime,
    only: Collection[Destination] | None = None,
) -> Sequence[int]:
    """Write notifications with a delivery to each destination of their receivers; returns the notifications' ids.

    ``only``: to these destinations and no other.
    """
    destinations = desk.destinations if only is None else only
    ids = _NOTIFICATIONS.run(connection, [_row(message, now) for message in messages])
    rows: list[dict[str, Any]] = []
    for message, identifier in zip(messages, ids, strict=True):
        rows += [
            {**delivery, "notification_id": identifier, "dedup_key": digest(message.group_key), "attempts": 0,
             "created_at": now, "due_at": now, "fallback_at": _fallback_at(delivery["receiver"], message, desk, now)}
            for delivery in _deliveries(message.receivers, destinations)
        ]  # fmt: skip
        trail.add("notification", _audited(message, identifier), incident_id=message.incident_id)
    _DELIVERIES.run_all(connection, rows)
    return ids


def load_deliveries(connection: Connection, ids: Sequence[int]) -> list[Delivery]:
    """Whole deliveries, in the order of ``ids``, each with the alerts of those that it replaced.

    One that cannot be made goes out by what its row says, and keeps no other.
    """
    if not ids:
        return []
    rows = {row.id: row for row in _LOAD.rows(connection, ids=ids)}
    try:
        return _whole(connection, [rows[identifier] for identifier in ids])
    except READING:
        return [_alone(connection, rows[identifier]) for identifier in ids]


def _whole(connection: Connection, rows: Sequence[AnyRow]) -> list[Delivery]:
    told = _alerts_of(connection, _notifications_of(connection, rows))
    return [_delivery(row, latest_of_each(told[row.id])) for row in rows]


def _alone(connection: Connection, row: AnyRow) -> Delivery:
    try:
        return _whole(connection, [row])[0]
    except READING as fault:
        return replace(_delivery(row, ()), set_aside=type(fault).__name__)


def ended(alert: Alert, at: datetime | None) -> Alert:
    """The alert as it is told: over at ``at`` where it is."""
    return alert if at is None else replace(alert, status=Status.RESOLVED, ends_at=at)


def _row(message: Message, now: datetime) -> dict[str, Any]:
    return {
        "dedup_key": digest(message.group_key),
        "sequence": message.sequence,
        "group_key": message.group_key,
        "incident_id": message.incident_id,
        "phase": message.phase,
        "step": message.step,
        "acted_by": message.acted_by,
        "tier": message.tier,
        "reason": message.reason,
        "decision_id": message.decision_id,
        "created_at": now,
    }


def _deliveries(receivers: Iterable[str], destinations: Collection[Destination]) -> Iterator[dict[str, str]]:
    """One for each notifier of each receiver; one that is over at once for a receiver that is no more."""
    for receiver in receivers:
        found = [destination for destination in destinations if destination.receiver == receiver]
        for destination in found:
            yield {"receiver": receiver, "notifier": destination.notifier, "state": PENDING, "detail": ""}
        if not found:
            yield {"receiver": receiver, "notifier": "", "state": Outcome.RECEIVER_GONE, "detail": GONE}


def _fallback_at(receiver: str, message: Message, desk: Desk, now: datetime) -> datetime | None:
    """When somebody else is told, if this one was not by then. A digest is not urgent, nor is word that it is over."""
    fires = message.phase is Phase.FIRING and message.tier != Tier.DIGEST
    covered = fires and desk.fallback not in (None, receiver)
    return now + desk.fallback_after if covered else None


def _audited(message: Message, identifier: int) -> dict[str, Any]:
    return {
        "notification": identifier,
        "phase": message.phase.value,
        "reason": str(message.reason),
        "receivers": list(message.receivers),
        "decision": message.decision_id,
        "step": message.step,
        "group": message.group_key,
        **({"by": message.acted_by} if message.acted_by else {}),
        **({"shadow": list(message.withheld_from)} if message.withheld_from else {}),
    }


def _notifications_of(connection: Connection, rows: Iterable[AnyRow]) -> dict[int, list[int]]:
    """By delivery: its notification, after those of the deliveries that it replaced."""
    found = {row.id: [row.notification_id] for row in rows}
    for row in _REPLACED.rows(connection, ids=list(found)):
        found[row.superseded_by].insert(0, row.notification_id)
    return found


def _alerts_of(connection: Connection, notification_ids: dict[int, list[int]]) -> dict[int, list[Alert]]:
    by_notification: dict[int, list[Alert]] = {each: [] for ids in notification_ids.values() for each in ids}
    for row in _ALERTS.rows(connection, ids=list(by_notification)):
        by_notification[row.notification_id].append(ended(alert_of(row), row.ended_at))
    return {
        delivery: [alert for each in ids for alert in by_notification[each]]
        for delivery, ids in notification_ids.items()
    }


def _delivery(row: AnyRow, told: Sequence[Alert]) -> Delivery:
    """Whatever cannot be read of it: it goes out."""
    unknown = stand_in(row.labels, "the router cannot read what this is about", row.notified_at)
    notification = Notification(
        dedup_key=row.dedup_key,
        sequence=row.sequence,
        group=Group(row.key, row.labels or {}),
        route=row.route,
        tier=known(Tier, row.tier, Tier.PAGE),
        reason=known(Reason, row.reason, Reason.NEW),
        decision_id=row.decision_id,
        created_at=row.notified_at,
        alerts=tuple(told) or (unknown,),
        escalation_step=row.step,
        phase=known(Phase, row.phase, Phase.FIRING),
        incident_id=row.incident_id,
        acted_by=row.acted_by,
    )
    return Delivery(row.id, Destination(row.receiver, row.notifier), notification, row.attempts, row.created_at)
