"""Waiting: a new alert that waits for the message of its group is looked at once more before it is told.

That is what `group_wait` is for: a cause may come in after its symptoms.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

from llmtrace.router.model import Group, Reason, Status
from llmtrace.router.ports import Decider, Waiting
from llmtrace.router.store.ledger import Ledger
from llmtrace.router.store.rows import AnyRow, to_alert, to_policy
from llmtrace.router.store.schema import alerts, decisions, groups, members, states


def hold_back(connection: Connection, decider: Decider, ledger: Ledger, now: datetime, limit: int) -> None:
    """Of the groups that are due, take out what a silence, another alert or a muted time holds back by now."""
    if not decider.may_hold(ledger):
        return
    last = 0
    while rows := _waiting(connection, now, last, limit):
        for row in rows:
            _look(connection, row, decider, ledger)
        last = rows[-1].member


def _look(connection: Connection, row: AnyRow, decider: Decider, ledger: Ledger) -> None:
    state = ledger.state(row.route, row.fingerprint)
    if state is None or state.status is not Status.FIRING:
        return
    alert, group = to_alert(row), Group(row.group_key, row.group_labels)
    decision = decider.hold_back(Waiting(alert, row.route, to_policy(row.policy), group, state), ledger)
    if decision is not None:
        ledger.keep(row.id, alert, row.fingerprint, decision)
        connection.execute(delete(members).where(members.c.id == row.member))


def _waiting(connection: Connection, now: datetime, after: int, limit: int) -> Sequence[AnyRow]:
    """What was decided in an earlier turn, is the latest of its alert, and was told to nobody before."""
    query = (
        select(
            alerts,
            decisions.c.route,
            members.c.id.label("member"),
            groups.c.policy,
            groups.c.key.label("group_key"),
            groups.c.labels.label("group_labels"),
        )
        .select_from(groups)
        .join(members, members.c.group_key == groups.c.key)
        .join(decisions, decisions.c.id == members.c.decision_id)
        .join(alerts, alerts.c.id == members.c.alert_id)
        .join(states, (states.c.route == decisions.c.route) & (states.c.fingerprint == alerts.c.fingerprint))
        .where(
            groups.c.due_at <= now,
            members.c.id > after,
            members.c.notification_id.is_(None),
            members.c.ended_at.is_(None),
        )
        .where(states.c.status == Status.FIRING, decisions.c.decided_at < now)
        .where(decisions.c.reason.in_([Reason.NEW, Reason.NO_ROUTE]))
        .order_by(members.c.id)
        .limit(limit)
    )
    return connection.execute(query).all()
