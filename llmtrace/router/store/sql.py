"""The dispatcher's store in SQL: inbox, decisions, groups and the outbox. Each method is one transaction."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, func, insert, select, tuple_, union_all, update

from llmtrace.router.model import Alert, Attempt, Decision, Delivery, Destination, Outcome, digest
from llmtrace.router.ports import Decider
from llmtrace.router.store.database import Database
from llmtrace.router.store.rows import SqlRecall, load_deliveries, save, to_alert
from llmtrace.router.store.schema import PENDING, alerts, decisions, deliveries, groups, members, notifications, told
from llmtrace.semconv.alert import Severity


class SqlStore:
    """What the inbox and the dispatcher write and read."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def accept(self, accepted: Sequence[Alert], now: datetime) -> None:
        """Put alerts into the inbox."""
        rows = [
            {
                "fingerprint": alert.fingerprint,
                "labels": dict(alert.labels),
                "annotations": dict(alert.annotations),
                "starts_at": alert.starts_at,
                "received_at": now,
            }
            for alert in accepted
        ]
        with self._database.write() as connection:
            connection.execute(insert(alerts), rows)

    def retire(self, destinations: Collection[Destination], now: datetime) -> int:
        """End the deliveries to destinations that are not among these any more; returns how many."""
        known = [(destination.receiver, destination.notifier) for destination in destinations]
        gone = update(deliveries).where(
            deliveries.c.state == PENDING, tuple_(deliveries.c.receiver, deliveries.c.notifier).not_in(known)
        )
        with self._database.write() as connection:
            ended = connection.execute(gone.values(state=Outcome.RECEIVER_GONE, detail=_GONE, attempted_at=now))
            return ended.rowcount

    def decide(self, decider: Decider, now: datetime, limit: int) -> int:
        """Decide the oldest undecided alerts, at most ``limit``; returns how many."""
        undecided = select(alerts).where(alerts.c.decided_at.is_(None)).order_by(alerts.c.id).limit(limit)
        with self._database.write() as connection:
            rows = connection.execute(undecided).all()
            recall = SqlRecall(connection)
            for row in rows:
                alert = to_alert(row)
                for decision in decider(alert, recall):
                    _keep(connection, row.id, alert, decision, now)
            decided = [row.id for row in rows]
            connection.execute(update(alerts).where(alerts.c.id.in_(decided)).values(decided_at=now))
        return len(rows)

    def flush(self, destinations: Collection[Destination], now: datetime, limit: int) -> int:
        """Turn at most ``limit`` groups that are due into a notification each, with a delivery to each destination."""
        due = select(groups).where(groups.c.due_at <= now).order_by(groups.c.due_at).limit(limit)
        with self._database.write() as connection:
            rows = connection.execute(due).all()
            for group in rows:
                _notify(connection, group, destinations, now)
        return len(rows)

    def claim(self, destination: Destination, busy: Collection[int], now: datetime, limit: int) -> list[Delivery]:
        """Deliveries that are due, without those in ``busy``, and none before an older one of its group."""
        older = deliveries.alias()
        waits = exists().where(
            older.c.state == PENDING,
            older.c.receiver == deliveries.c.receiver,
            older.c.notifier == deliveries.c.notifier,
            older.c.dedup_key == deliveries.c.dedup_key,
            older.c.id < deliveries.c.id,
        )
        due = (
            select(deliveries.c.id)
            .where(
                deliveries.c.state == PENDING,
                deliveries.c.receiver == destination.receiver,
                deliveries.c.notifier == destination.notifier,
                deliveries.c.due_at <= now,
                deliveries.c.id.not_in(busy),
                ~waits,
            )
            .order_by(deliveries.c.due_at, deliveries.c.id)
            .limit(limit)
        )
        with self._database.read() as connection:
            return load_deliveries(connection, connection.scalars(due).all())

    def record(self, attempts: Sequence[Attempt]) -> None:
        """Write what became of deliveries."""
        changed = (
            update(deliveries)
            .where(deliveries.c.id == bindparam("delivery"))
            .values(
                state=bindparam("outcome"),
                attempts=deliveries.c.attempts + 1,
                detail=bindparam("said"),
                attempted_at=bindparam("at"),
                due_at=bindparam("again"),
            )
        )
        with self._database.write() as connection:
            connection.execute(changed, [_attempt(attempt) for attempt in attempts])

    def next_due(self, now: datetime) -> datetime | None:
        """When the next group or delivery comes due, after ``now``."""
        times = union_all(
            select(func.min(groups.c.due_at).label("at")).where(groups.c.due_at > now),
            select(func.min(deliveries.c.due_at)).where(deliveries.c.state == PENDING, deliveries.c.due_at > now),
        ).subquery()
        with self._database.read() as connection:
            due: datetime | None = connection.scalar(select(func.min(times.c.at)))
        return due


_GONE = "the configuration names this receiver or notifier no more"


def _keep(connection: Connection, alert_id: int, alert: Alert, decision: Decision, now: datetime) -> None:
    """Write a decision and, where it tells somebody, put its alert into the group that waits to be told."""
    decision_id = _insert(
        connection,
        decisions,
        alert_id=alert_id,
        route=decision.route,
        tier=decision.policy.tier,
        reason=decision.reason,
        receivers=list(decision.policy.receivers),
        group_key=decision.group.key,
        due_at=decision.due_at,
        config_hash=decision.config_hash,
        decided_at=now,
    )
    if not decision.notifies:
        return
    key = {"route": decision.route, "fingerprint": alert.fingerprint}
    save(connection, told, key, {"severity": alert.severity, "told_at": now})
    policy = {"tier": decision.policy.tier, "receivers": list(decision.policy.receivers), "due_at": decision.due_at}
    fixed = {"labels": dict(decision.group.labels), "route": decision.route, "sequence": 0}
    save(connection, groups, {"key": decision.group.key}, policy, **fixed)
    _insert(connection, members, group_key=decision.group.key, alert_id=alert_id, decision_id=decision_id)


def _notify(connection: Connection, group: Row[Any], destinations: Collection[Destination], now: datetime) -> None:
    waiting = (members.c.group_key == group.key) & members.c.notification_id.is_(None)
    decision_id, reason = _lead(connection, waiting)
    notification_id = _insert(
        connection,
        notifications,
        dedup_key=digest(group.key),
        sequence=group.sequence + 1,
        group_key=group.key,
        tier=group.tier,
        reason=reason,
        decision_id=decision_id,
        created_at=now,
    )
    connection.execute(update(members).where(waiting).values(notification_id=notification_id))
    for delivery in _deliveries(group, destinations):
        fixed = {"notification_id": notification_id, "dedup_key": digest(group.key), "attempts": 0}
        connection.execute(insert(deliveries).values(**fixed, **delivery, created_at=now, due_at=now))
    told_now = {"sequence": group.sequence + 1, "told_at": now, "due_at": None}
    connection.execute(update(groups).where(groups.c.key == group.key).values(**told_now))


def _lead(connection: Connection, waiting: Any) -> tuple[int, str]:
    """The decision that speaks for the group: that of its most severe alert, of equals the first."""
    rows = connection.execute(
        select(decisions.c.id, decisions.c.reason, alerts.c.labels)
        .select_from(members)
        .join(decisions, members.c.decision_id == decisions.c.id)
        .join(alerts, members.c.alert_id == alerts.c.id)
        .where(waiting)
        .order_by(members.c.id)
    )
    lead = min(rows, key=lambda row: Severity(row.labels["severity"]).rank)
    return lead.id, lead.reason


def _deliveries(group: Row[Any], destinations: Collection[Destination]) -> Iterator[dict[str, str]]:
    """One for each notifier of each receiver; one that is over at once for a receiver that is no more."""
    for receiver in group.receivers:
        found = [destination for destination in destinations if destination.receiver == receiver]
        for destination in found:
            yield {"receiver": receiver, "notifier": destination.notifier, "state": PENDING, "detail": ""}
        if not found:
            yield {"receiver": receiver, "notifier": "", "state": Outcome.RECEIVER_GONE, "detail": _GONE}


def _attempt(attempt: Attempt) -> dict[str, object]:
    over = attempt.retry_at is None
    return {
        "delivery": attempt.delivery_id,
        "outcome": attempt.receipt.outcome if over else PENDING,
        "said": attempt.receipt.detail,
        "at": attempt.at,
        "again": attempt.at if over else attempt.retry_at,
    }


def _insert(connection: Connection, table: Any, **values: object) -> int:
    return int(connection.scalars(insert(table).values(**values).returning(table.c.id)).one())
