"""One turn in one transaction: decide, expire, tell, escalate and fall back, in this order, whatever is due."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Integer, bindparam, select, update

from llmtrace.router.model import Alert, Attempt, Group, Status
from llmtrace.router.ports import Decider, Desk, Over
from llmtrace.router.store import incidents as incident_book
from llmtrace.router.store import outbox
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.due import look
from llmtrace.router.store.inbox import Entry
from llmtrace.router.store.ledger import Ledger
from llmtrace.router.store.rows import from_alert, to_alert, to_policy, to_state
from llmtrace.router.store.schema import Time, alerts, audit, groups, states
from llmtrace.router.store.statement import Insertion, Statement
from llmtrace.router.store.telling import Telling
from llmtrace.router.store.waiting import hold_back

_now = bindparam("now", type_=Time)
_most = bindparam("most", type_=Integer)
_firing = states.c.status == Status.FIRING
_of_state = (states.c.route == bindparam("b_route")) & (states.c.fingerprint == bindparam("b_fingerprint"))

_HELD: Final = Statement(
    select(states.c.route, states.c.fingerprint, states.c.alert_id)
    .where(_firing, states.c.held_until <= _now)
    .limit(_most)
)
_LET_GO: Final = Statement(update(states).where(_of_state).values(held_until=None, held_by=None))
_AGAIN: Final = Statement(update(alerts).where(alerts.c.id == bindparam("b_id")).values(decided_at=None))
_ALERTS: Final = Insertion(alerts, known=[audit.c.alert_id])
_UNDECIDED: Final = Statement(select(alerts).where(alerts.c.decided_at.is_(None)).order_by(alerts.c.id).limit(_most))
_DECIDED: Final = Statement(update(alerts).where(alerts.c.id == bindparam("b_id")).values(decided_at=bindparam("b_at")))
_OVER: Final = Statement(
    select(states, groups.c.policy, groups.c.labels.label("group_labels"))
    .join(groups, states.c.group_key == groups.c.key)
    .where(_firing, states.c.resolve_at <= _now)
    .order_by(states.c.resolve_at)
    .limit(_most)
)
_FIRED: Final = Statement(select(alerts).where(alerts.c.id.in_(bindparam("ids", expanding=True))), "ids")
_DUE: Final = Statement(
    select(groups).where(groups.c.due_at <= _now).order_by(groups.c.due_at, groups.c.key).limit(_most)
)

_Undecided = tuple[int, Alert, str]
"""Id, alert, fingerprint."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a turn goes by: rules and moment, whom it can tell, deliveries under way, and how much of each at most."""

    decider: Decider
    desk: Desk
    busy: Collection[int]
    limit: int


def advance(
    connection: Connection,
    work: Work,
    entries: Sequence[Entry],
    attempts: Sequence[Attempt],
    trail: AuditTrail,
    now: datetime,
) -> bool:
    """Do all that is due; whether there may be more. ``entries``: those of the inbox whose turn it is."""
    decider, desk, limit = work.decider, work.desk, work.limit
    outbox.record(connection, attempts, trail)
    ledger = Ledger(connection, now)
    due = look(connection, now)
    counts = [_release(connection, now, limit) if due.released else 0]
    if due.undecided or counts[0]:
        counts.append(_decide_again(connection, decider, ledger, now, limit))
    decide(decider, ledger, keep_alerts(connection, entries, now))
    # What was decided just now already counts.
    if due.over:
        counts.append(_expire(connection, decider, ledger, now, limit))
    if due.groups or ledger.notified:
        hold_back(connection, decider, ledger, now, limit)
    ledger.write(trail)
    if due.groups or ledger.notified:
        counts.append(_tell(connection, desk, trail, now, limit))
    told = due.groups or ledger.notified
    if due.escalations or told:
        counts.append(incident_book.escalate(connection, desk, trail, now, limit))
    if due.fallbacks:
        outbox.fall_back(connection, desk, trail, now, limit)
    trail.write()
    if due.crowds or due.escalations or told:
        for destination in desk.coalescing:
            outbox.coalesce(connection, destination, work.busy, now)
    return ledger.released or limit in counts


def _release(connection: Connection, now: datetime, limit: int) -> int:
    """Alerts that were held until now are decided again."""
    rows = _HELD.rows(connection, now=now, most=limit)
    _LET_GO.run_all(connection, [{"b_route": row.route, "b_fingerprint": row.fingerprint} for row in rows])
    _AGAIN.run_all(connection, [{"b_id": row.alert_id} for row in rows])
    return len(rows)


def keep_alerts(connection: Connection, entries: Sequence[Entry], now: datetime) -> list[_Undecided]:
    """Write what the inbox brought into the history."""
    rows = [
        {**from_alert(alert), "received_at": entry.received_at, "decided_at": now}
        for entry in entries
        for alert in entry.alerts
    ]
    ids = _ALERTS.run(connection, rows)
    found = (alert for entry in entries for alert in entry.alerts)
    return [(number, alert, row["fingerprint"]) for number, alert, row in zip(ids, found, rows, strict=True)]


def _decide_again(connection: Connection, decider: Decider, ledger: Ledger, now: datetime, limit: int) -> int:
    """The oldest alerts that were held back and are not any more."""
    rows = _UNDECIDED.rows(connection, most=limit)
    if rows:
        decide(decider, ledger, [(row.id, to_alert(row), row.fingerprint) for row in rows])
        _DECIDED.run_all(connection, [{"b_id": row.id, "b_at": now} for row in rows])
    return len(rows)


def decide(decider: Decider, ledger: Ledger, undecided: Sequence[_Undecided]) -> None:
    """One decision for each route of each alert."""
    if not undecided:
        return
    placed = [decider.place(alert) for _, alert, _ in undecided]
    keys = {place.group.key for places in placed for place in places}
    ledger.prepare({identity for _, _, identity in undecided}, keys)
    for (number, alert, identity), places in zip(undecided, placed, strict=True):
        for decision in decider.decide(alert, ledger, places):
            ledger.keep(number, alert, identity, decision)


def _expire(connection: Connection, decider: Decider, ledger: Ledger, now: datetime, limit: int) -> int:
    """Alerts whose time is over; what was decided in this turn already counts."""
    rows = _OVER.rows(connection, now=now, most=limit)
    found = {row.id: row for row in _FIRED.rows(connection, ids=[row.alert_id for row in rows])}
    for row in rows:
        if ledger.state(row.route, row.fingerprint) not in (None, to_state(row)):
            continue
        alert, group = to_alert(found[row.alert_id]), Group(row.group_key, row.group_labels)
        due = Over(alert, row.route, to_policy(row.policy), group, to_state(row))
        ledger.keep(row.alert_id, alert, row.fingerprint, decider.expire(due, ledger))
    return len(rows)


def _tell(connection: Connection, desk: Desk, trail: AuditTrail, now: datetime, limit: int) -> int:
    """Groups that are due."""
    rows = _DUE.rows(connection, now=now, most=limit)
    if rows:
        Telling(connection, rows, now).run(desk, trail)
    return len(rows)
