"""What is due: one look at all that a turn could do, and at when there is something to do again."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, bindparam, exists, func, or_, select, union_all

from llmtrace.router.model import Outcome, Status
from llmtrace.router.ports import Oldest
from llmtrace.router.store.rows import AnyRow
from llmtrace.router.store.schema import PENDING, Time, alerts, deliveries, groups, incidents, states
from llmtrace.router.store.statement import Statement

FAILED: Final = [outcome.value for outcome in Outcome if outcome.failed]

_now: Final = bindparam("now", type_=Time)
_firing: Final = states.c.status == Status.FIRING
_waits: Final = deliveries.c.state == PENDING
_in_crowd: Final = (
    select(deliveries.c.dedup_key)
    .where(_waits)
    .group_by(deliveries.c.receiver, deliveries.c.notifier, deliveries.c.dedup_key)
)

_LOOK: Final = Statement(
    select(
        exists().where(_firing, states.c.held_until <= _now).label("released"),
        exists().where(alerts.c.decided_at.is_(None)).label("undecided"),
        exists().where(_firing, states.c.resolve_at <= _now).label("over"),
        exists().where(groups.c.due_at <= _now).label("groups"),
        exists().where(incidents.c.escalate_at <= _now).label("escalations"),
        exists()
        .where(
            deliveries.c.fallback_at.is_not(None),
            or_(deliveries.c.state.in_(FAILED), _waits & (deliveries.c.fallback_at <= _now)),
        )
        .label("fallbacks"),
        _in_crowd.having(func.count() > 1).exists().label("crowds"),
    )
)

_times: Final = union_all(
    select(func.min(groups.c.due_at).label("at")).where(groups.c.due_at > _now),
    select(func.min(incidents.c.escalate_at)).where(incidents.c.escalate_at > _now),
    select(func.min(states.c.resolve_at)).where(_firing, states.c.resolve_at > _now),
    select(func.min(states.c.held_until)).where(_firing, states.c.held_until > _now),
    select(func.min(deliveries.c.due_at)).where(_waits, deliveries.c.due_at > _now),
    select(func.min(deliveries.c.fallback_at)).where(deliveries.c.fallback_at > _now),
).subquery()
_NEXT: Final = Statement(select(func.min(_times.c.at)))


def look(connection: Connection, now: datetime) -> AnyRow:
    """Whether there is anything of each kind to do."""
    return _LOOK.rows(connection, now=now)[0]


def oldest(connection: Connection, now: datetime) -> Oldest:
    """Since when the oldest message should have been written or attempted, and the oldest delivery is not over."""
    waits = select(func.min(deliveries.c.due_at), func.min(deliveries.c.created_at)).where(_waits)
    attempt, pending = connection.execute(waits).one()
    told = connection.scalar(select(func.min(groups.c.due_at)))
    due = min((at for at in (attempt, told) if at is not None), default=None)
    return Oldest(due if due is not None and due <= now else None, pending)


def next_due(connection: Connection, now: datetime) -> datetime | None:
    """When the next thing comes due, after ``now``."""
    found: datetime | None = _NEXT.scalar(connection, now=now)
    return found
