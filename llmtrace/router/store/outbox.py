"""The outbox: which deliveries may be made now, what became of them, and who is told instead where that is nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Integer, String, bindparam, case, exists, func, insert, or_, select, tuple_, update

from llmtrace.router.model import Attempt, Delivery, Destination, Outcome, Phase
from llmtrace.router.ports import Desk
from llmtrace.router.store import quarantine
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.due import FAILED
from llmtrace.router.store.handles import keep, with_handles
from llmtrace.router.store.messages import GONE, load_deliveries
from llmtrace.router.store.quarantine import Kind
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import PENDING, Time, deliveries, incidents, notifications
from llmtrace.router.store.statement import Statement

_older = deliveries.alias()
_behind = exists().where(
    _older.c.state == PENDING,
    _older.c.receiver == deliveries.c.receiver,
    _older.c.notifier == deliveries.c.notifier,
    _older.c.dedup_key == deliveries.c.dedup_key,
    _older.c.id < deliveries.c.id,
)
_CLAIM: Final = Statement(
    select(deliveries.c.id)
    .where(
        deliveries.c.state == PENDING,
        deliveries.c.receiver == bindparam("receiver"),
        deliveries.c.notifier == bindparam("notifier"),
        deliveries.c.due_at <= bindparam("now", type_=Time),
        deliveries.c.id.not_in(bindparam("busy", expanding=True)),
        ~_behind,
    )
    .order_by(deliveries.c.due_at, deliveries.c.id)
    .limit(bindparam("most", type_=Integer)),
    "busy",
)
_RECORD: Final = Statement(
    update(deliveries)
    .where(deliveries.c.id == bindparam("delivery"))
    .values(
        state=bindparam("outcome"),
        attempts=deliveries.c.attempts + 1,
        detail=bindparam("said"),
        attempted_at=bindparam("at"),
        due_at=bindparam("again"),
        fallback_at=case(
            (bindparam("outcome", type_=String) == Outcome.DELIVERED, None), else_=deliveries.c.fallback_at
        ),
    )
)


def retire(connection: Connection, destinations: Collection[Destination], trail: AuditTrail, now: datetime) -> int:
    """End the deliveries to destinations that are not among these any more; returns how many."""
    known = [(destination.receiver, destination.notifier) for destination in destinations]
    gone = update(deliveries).where(
        deliveries.c.state == PENDING, tuple_(deliveries.c.receiver, deliveries.c.notifier).not_in(known)
    )
    values = {"state": Outcome.RECEIVER_GONE, "detail": GONE, "attempted_at": now}
    ended = list(connection.scalars(gone.values(**values).returning(deliveries.c.id)))
    for identifier in ended:
        trail.add("delivery", {"delivery": identifier, "state": Outcome.RECEIVER_GONE.value})
    return len(ended)


def claim(
    connection: Connection, destination: Destination, busy: Collection[int], now: datetime, limit: int
) -> list[Delivery]:
    """Deliveries that are due, without those in ``busy``, and none before an older one of its group."""
    asked = {"receiver": destination.receiver, "notifier": destination.notifier, "now": now, "most": limit}
    found = _CLAIM.rows(connection, **asked, busy=busy)
    return with_handles(connection, load_deliveries(connection, [row.id for row in found]))


def coalesce(connection: Connection, destination: Destination, busy: Collection[int], now: datetime) -> None:
    """Where several messages about a group wait, a newer one replaces older ones and tells their alerts too.

    Nobody is told how an incident goes on that he never heard of: word that it was acknowledged or is over replaces no
    word that it fires. What replaces waits as long as the others would have, for the destination is the same.
    """
    waiting = (*_to(destination), deliveries.c.id.not_in(busy))
    crowded = select(deliveries.c.dedup_key).where(*waiting).group_by(deliveries.c.dedup_key).having(func.count() > 1)
    query = (
        select(
            deliveries.c.id, deliveries.c.dedup_key, deliveries.c.attempts, deliveries.c.due_at, notifications.c.phase
        )
        .select_from(deliveries.join(notifications))
        .where(*waiting, deliveries.c.dedup_key.in_(crowded))
    )
    kept: dict[str, list[AnyRow]] = defaultdict(list)
    older: list[dict[str, Any]] = []
    for row in connection.execute(query.order_by(deliveries.c.id)):
        before = kept[row.dedup_key]
        for gone in _replaced(before, row):
            before.remove(gone)
            older.append({"b_id": gone.id, "b_by": row.id, "b_due": gone.due_at})
        before.append(row)
    if older:
        _supersede(connection, older, now)


def _replaced(waiting: Sequence[AnyRow], row: AnyRow) -> list[AnyRow]:
    """Which of those that wait, the oldest first, need not be sent once ``row`` is.

    Only one that was never attempted replaces others: what a destination may have seen keeps its content.
    """
    if row.attempts or not waiting:
        return []
    last = waiting[-1]
    if last.phase == row.phase or (last.phase, row.phase) == (Phase.ACKNOWLEDGED, Phase.RESOLVED):
        return [last]
    before = waiting[-2] if len(waiting) > 1 else None
    went_by = before is not None and before.phase == Phase.FIRING and not before.attempts
    if row.phase == Phase.FIRING and last.phase == Phase.RESOLVED and before is not None and went_by:
        return [before, last]
    return []


def record(connection: Connection, attempts: Sequence[Attempt], trail: AuditTrail) -> None:
    """Write what became of deliveries."""
    if not attempts:
        return
    _RECORD.run_all(connection, [_attempt(attempt) for attempt in attempts])
    keep(connection, attempts)
    for attempt in attempts:
        if attempt.set_aside:
            quarantine.put(connection, trail, Kind.DELIVERY, str(attempt.delivery_id), attempt.set_aside, attempt.at)
        if attempt.retry_at is None:
            outcome, detail = attempt.receipt.outcome.value, attempt.receipt.detail
            trail.add("delivery", {"delivery": attempt.delivery_id, "state": outcome, "detail": detail})


def fall_back(connection: Connection, desk: Desk, trail: AuditTrail, now: datetime, limit: int) -> None:
    """Tell the fallback receiver what another one refused, or did not take for so long."""
    if desk.fallback is None:
        return
    failed = or_(deliveries.c.state.in_(FAILED), (deliveries.c.state == PENDING) & (deliveries.c.fallback_at <= now))
    query = select(deliveries).where(failed, deliveries.c.fallback_at.is_not(None))
    targets = [destination for destination in desk.destinations if destination.receiver == desk.fallback]
    for row in connection.execute(query.order_by(deliveries.c.id).limit(limit)).all():
        new = [
            {"notification_id": row.notification_id, "receiver": target.receiver, "notifier": target.notifier,
             "dedup_key": row.dedup_key, "state": PENDING, "attempts": 0, "detail": "", "created_at": now,
             "due_at": now}
            for target in targets
        ]  # fmt: skip
        connection.execute(insert(deliveries), new)
        connection.execute(update(deliveries).where(deliveries.c.id == row.id).values(fallback_at=None))
        _let_hear(connection, row.notification_id, desk.fallback)
        trail.add("fallback", {"delivery": row.id, "receiver": row.receiver, "to": desk.fallback})


def _let_hear(connection: Connection, notification_id: int, receiver: str) -> None:
    """Who was told of an incident hears how it goes on, and is told that it is over."""
    about = select(notifications.c.incident_id).where(notifications.c.id == notification_id).scalar_subquery()
    row = connection.execute(select(incidents.c.id, incidents.c.receivers).where(incidents.c.id == about)).first()
    if row is not None and receiver not in row.receivers:
        told = [*row.receivers, receiver]
        connection.execute(update(incidents).where(incidents.c.id == row.id).values(receivers=told))


def _to(destination: Destination) -> tuple[Any, ...]:
    """Deliveries that wait for a destination."""
    return (
        deliveries.c.state == PENDING,
        deliveries.c.receiver == destination.receiver,
        deliveries.c.notifier == destination.notifier,
    )


def _supersede(connection: Connection, older: Sequence[dict[str, Any]], now: datetime) -> None:
    why = "a newer message tells it"
    values = {"state": Outcome.SUPERSEDED, "detail": why, "attempted_at": now, "fallback_at": None}
    changed = update(deliveries).where(deliveries.c.id == bindparam("b_id"))
    connection.execute(changed.values(**values, superseded_by=bindparam("b_by")), _only(older, "b_id", "b_by"))
    # What an older one had replaced itself goes along.
    inherited = update(deliveries).where(deliveries.c.superseded_by == bindparam("b_id"))
    connection.execute(inherited.values(superseded_by=bindparam("b_by")), _only(older, "b_id", "b_by"))
    later = update(deliveries).where(deliveries.c.id == bindparam("b_by"), deliveries.c.due_at < bindparam("b_due"))
    connection.execute(later.values(due_at=bindparam("b_due")), _only(older, "b_by", "b_due"))


def _only(rows: Sequence[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]


def _attempt(attempt: Attempt) -> dict[str, object]:
    over = attempt.retry_at is None
    return {
        "delivery": attempt.delivery_id,
        "outcome": attempt.receipt.outcome if over else PENDING,
        "said": attempt.receipt.detail,
        "at": attempt.at,
        "again": attempt.at if over else attempt.retry_at,
    }
