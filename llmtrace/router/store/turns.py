"""Turns: how an alert came and went on a route, read from its decisions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from llmtrace.router.model import Reason, Status, Turn
from llmtrace.router.store.schema import alerts, decisions

MOST: Final = 500
"""Alerts of one fingerprint that are looked at."""
_NEITHER: Final = frozenset(
    {
        Reason.NOT_FIRING,
        Reason.REGULATED,
        Reason.DEDUPLICATED,
        Reason.REPEATED,
        Reason.ACKNOWLEDGED,
        Reason.SEVERITY_ROSE,
    }
)


def past(connection: Connection, route: str, fingerprint: str, since: datetime) -> Iterator[Turn]:
    """The oldest first."""
    recent = select(alerts.c.id).where(alerts.c.fingerprint == fingerprint).order_by(alerts.c.id.desc()).limit(MOST)
    query = select(decisions.c.reason, decisions.c.decided_at).where(
        decisions.c.alert_id.in_(recent), decisions.c.route == route, decisions.c.decided_at >= since
    )
    for row in connection.execute(query.order_by(decisions.c.id)):
        turn = turn_of(Reason(row.reason), row.decided_at)
        if turn is not None:
            yield turn


def turn_of(reason: Reason, at: datetime) -> Turn | None:
    """What a decision for this reason says of the alert; None: nothing new."""
    if reason in _NEITHER:
        return None
    return Turn(at, Status.RESOLVED if reason.ends else Status.FIRING)
