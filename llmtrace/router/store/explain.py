"""Why somebody was told of an alert, or nobody: what was decided, sent and done about it, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, select

from llmtrace.router.config import durations
from llmtrace.router.model import ALERTNAME, SEVERITY, Outcome, Reason, Rollout, Status, rollout_of
from llmtrace.router.store import held
from llmtrace.router.store.rows import AnyRow, to_policy
from llmtrace.router.store.schema import (
    PENDING,
    alerts,
    decisions,
    deliveries,
    groups,
    incidents,
    members,
    notifications,
    silences,
)

_HIGHEST_ID: Final = 2**63 - 1
_MOST_OTHERS: Final = 20

WHY: Final[Mapping[Reason, str]] = MappingProxyType(
    {
        Reason.NEW: "it was new on this route",
        Reason.SEVERITY_ROSE: "it was known, and got worse",
        Reason.REPEATED: "it still fires, and repeat_interval is over since it was last told",
        Reason.NO_ROUTE: "no route matches it, so that it goes to the digest",
        Reason.RESOLVED: "its source says that it is over",
        Reason.RESOLVE_AFTER: "it did not recur for resolve_after, so that it is over",
        Reason.RESOLVE_TIMEOUT: "its source did not say again that it fires, so that it is over",
        Reason.DEDUPLICATED: "this route told the same not long ago, and it did not get worse",
        Reason.ACKNOWLEDGED: "somebody has acknowledged its incident, so that it is not repeated",
        Reason.SILENCED: "a silence holds it back",
        Reason.INHIBITED: "another alert that fires says more about the same",
        Reason.MUTED: "its route is muted at this time",
        Reason.FLAPPING: "it comes and goes too often: it is told once it fires steadily",
        Reason.NOT_FIRING: "it is over, and was not known to fire",
        Reason.NEVER_TOLD: "it is over, and nobody had been told that it fired",
        Reason.REGULATED: "it is regulated: only a person may say that it is over",
        Reason.NO_RECEIVER: "its route names no receiver: it is only kept",
        Reason.BUNDLED: "it is told in the next digest of its receivers",
        Reason.ESCALATED: "nobody had acknowledged the incident in time",
        Reason.BY_PERSON: "a person acted",
    }
)
_BECAME: Final[Mapping[str, str]] = MappingProxyType(
    {
        PENDING: "still to be delivered",
        Outcome.DELIVERED: "delivered",
        Outcome.REFUSED: "refused for good",
        Outcome.GAVE_UP: "given up after three days",
        Outcome.RECEIVER_GONE: "not delivered: the rules name the receiver no more",
        Outcome.SUPERSEDED: "replaced by a newer message, which tells this alert too",
    }
)

ROLLOUT: Final[Mapping[Rollout, str]] = MappingProxyType(
    {
        Rollout.SHADOW: "its rule is rolled out as shadow: all is recorded, and nobody is told",
        Rollout.NOTIFY: "its rule is rolled out as notify: what would page is told in the channel",
    }
)


def find(connection: Connection, asked: str) -> AnyRow | None:
    """The alert of this id, or the newest of this fingerprint or name."""
    number = int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < len(str(_HIGHEST_ID)) else None
    if number is not None:
        return connection.execute(select(alerts).where(alerts.c.id == number)).one_or_none()
    return (
        _newest(connection, asked)
        or connection.execute(
            select(alerts).where(alerts.c.labels[ALERTNAME].as_string() == asked).order_by(alerts.c.id.desc()).limit(1)
        ).one_or_none()
    )


def _newest(connection: Connection, fingerprint: str) -> AnyRow | None:
    same = select(alerts).where(alerts.c.fingerprint == fingerprint)
    return connection.execute(same.order_by(alerts.c.id.desc()).limit(1)).one_or_none()


def explain(connection: Connection, asked: str) -> list[str]:
    """The answer as lines; empty where there is no such alert."""
    alert = find(connection, asked)
    return [] if alert is None else list(_lines(connection, alert))


def _lines(connection: Connection, alert: AnyRow) -> Iterator[str]:
    said = alert.labels if isinstance(alert.labels, dict) else {}
    labels = ", ".join(f"{name}={value}" for name, value in sorted(said.items()) if name != ALERTNAME)
    verb = "fires" if alert.status == Status.FIRING else "is over"
    yield f"alert {alert.id}: {said.get(ALERTNAME)} {verb} ({said.get(SEVERITY)})"
    yield f"  {labels}; fingerprint {alert.fingerprint}"
    yield f"  received {at(alert.received_at)}"
    made = connection.execute(select(decisions).where(decisions.c.alert_id == alert.id).order_by(decisions.c.id)).all()
    if not made:
        yield "  not decided yet"
    for decision in made:
        yield from _decision(connection, decision)
    others = connection.execute(
        select(alerts.c.id)
        .where(alerts.c.fingerprint == alert.fingerprint, alerts.c.id != alert.id)
        .limit(_MOST_OTHERS)
    )
    if found := [str(row.id) for row in others]:
        yield f"  the same condition is also in: {', '.join(found)}"


def _decision(connection: Connection, decision: AnyRow) -> Iterator[str]:
    receivers = ["somebody (who, cannot be read)"] if decision.receivers is None else decision.receivers
    whom = f"told {', '.join(receivers)}" if decision.due_at is not None else "nobody was told"
    why = WHY[Reason(decision.reason)]
    mode, route = rollout_of(decision.route)
    if mode is Rollout.SHADOW:
        whom = whom.replace("told", "in shadow, nobody was told; it would have told", 1) if decision.due_at else whom
    yield f"  route {route} (tier {decision.tier}): {whom}, because {why}"
    if mode is not Rollout.PAGE:
        yield f"    {ROLLOUT[mode]}"
    if mode is Rollout.SHADOW and decision.due_at is not None:
        yield from _would_escalate(connection, decision)
    if decision.held_by is not None:
        until = f"until {at(decision.held_until)}" if decision.held_until is not None else "until that is over"
        yield f"    held by {holder(connection, decision)} {until}, then decided again"
    yield f"    decision {decision.id} at {at(decision.decided_at)}, rules {decision.config_hash}"
    told = (
        select(
            deliveries, notifications.c.phase, notifications.c.reason, notifications.c.step, notifications.c.incident_id
        )
        .join(notifications, deliveries.c.notification_id == notifications.c.id)
        .join(members, members.c.notification_id == notifications.c.id)
        .where(members.c.decision_id == decision.id)
        .order_by(deliveries.c.id)
    )
    rows = connection.execute(told).all()
    for row in rows:
        yield f"    {_delivery(row)}"
    for identifier in dict.fromkeys(row.incident_id for row in rows if row.incident_id is not None):
        yield from _incident(connection, identifier)


def _would_escalate(connection: Connection, decision: AnyRow) -> Iterator[str]:
    policy = connection.scalar(select(groups.c.policy).where(groups.c.key == decision.group_key))
    for step in to_policy(policy).escalate if policy is not None else ():
        yield f"    then {', '.join(step.receivers)} after {durations.text(step.after)}, unless acknowledged by then"


def holder(connection: Connection, decision: AnyRow) -> str:
    """A silence with who made it and why, another alert with its name, or the muted times."""
    if decision.reason == Reason.INHIBITED:
        cause = _newest(connection, decision.held_by)
        return f"{cause.labels[ALERTNAME]} (alert {cause.id})" if cause is not None else str(decision.held_by)
    if decision.reason == Reason.FLAPPING:
        return held.DAMPING
    if decision.reason != Reason.SILENCED:
        return str(decision.held_by)
    made = connection.execute(select(silences).where(silences.c.id == decision.held_by)).one_or_none()
    if made is None:
        return f"the silence {decision.held_by}, which stands in the rules,"
    return held.silence(made.id, made.created_by, made.comment)


def _delivery(row: AnyRow) -> str:
    what = "the end" if row.phase == "resolved" else "an acknowledgement" if row.phase == "acknowledged" else "it"
    step = f" (escalation step {row.step}: {WHY[Reason.ESCALATED]})" if row.step else ""
    detail = f" ({row.detail})" if row.detail else ""
    times = f", {row.attempts} attempts" if row.attempts > 1 else ""
    when = f" at {at(row.attempted_at)}" if row.attempted_at is not None else ""
    return (
        f"{row.receiver} by {row.notifier or 'no notifier'}, of {what}{step}: {_BECAME[row.state]}{detail}{times}{when}"
    )


def _incident(connection: Connection, identifier: int) -> Iterator[str]:
    row = connection.execute(select(incidents).where(incidents.c.id == identifier)).one()
    yield f"    incident {row.id}: opened {at(row.opened_at)}, now {row.state}"
    if row.acknowledged_at is not None:
        yield f"      acknowledged by {row.acknowledged_by} at {at(row.acknowledged_at)}"
    elif row.escalate_at is not None:
        yield f"      the next escalation step is due {at(row.escalate_at)}"
    if row.resolved_at is not None:
        yield f"      resolved by {row.resolved_by} at {at(row.resolved_at)}"


def at(moment: datetime) -> str:
    """As people read it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
