"""Between rows and values: how alerts, policies, states and incidents are kept in their tables and come back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row

from llmtrace.router.model import (
    SEVERITIES,
    SEVERITY,
    Alert,
    AlertState,
    Escalation,
    Incident,
    IncidentState,
    Policy,
    Rollout,
    Status,
    Tier,
)
from llmtrace.semconv.alert import Severity

AnyRow = Row[*tuple[Any, ...]]
"""A row of any columns; which ones, says whoever reads it."""


def from_alert(alert: Alert) -> dict[str, Any]:
    """The columns of ``alerts`` that an alert says."""
    return {
        "fingerprint": alert.fingerprint,
        "status": alert.status.value,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": alert.starts_at,
        "ends_at": alert.ends_at,
    }


def to_alert(row: AnyRow) -> Alert:
    """An alert of a row that holds the columns of ``alerts``.

    Raises:
        ValueError: its labels or annotations cannot be read.
    """
    said = row.labels
    if not isinstance(said, dict) or said.get(SEVERITY) not in SEVERITIES or not isinstance(row.annotations, dict):
        raise ValueError("labels or annotations")
    return Alert(row.labels, row.annotations, row.starts_at, Status(row.status), row.ends_at)


def from_json(row: Mapping[str, Any]) -> Alert:
    """An alert as the reading API shows it."""
    starts_at = datetime.fromisoformat(row["starts_at"])
    ends_at = None if row["ends_at"] is None else datetime.fromisoformat(row["ends_at"])
    return Alert(dict(row["labels"]), dict(row["annotations"]), starts_at, Status(row["status"]), ends_at)


def from_policy(policy: Policy) -> dict[str, Any]:
    """A policy as JSON, with all that a group needs when its route is gone from the file."""
    return {
        "tier": policy.tier.value,
        "receivers": list(policy.receivers),
        "group_by": list(policy.group_by),
        "group_wait": policy.group_wait.total_seconds(),
        "group_interval": policy.group_interval.total_seconds(),
        "repeat_interval": policy.repeat_interval.total_seconds(),
        "resolve_after": policy.resolve_after.total_seconds(),
        "escalate": from_steps(policy.escalate),
        "mute_time_intervals": list(policy.mute_time_intervals),
        "rollout": policy.rollout.value,
        "opens_incident": policy.opens_incident,
        "schedule": policy.schedule,
        "timezone": policy.timezone,
    }


def to_policy(data: Mapping[str, Any]) -> Policy:
    """A policy from its JSON."""
    return Policy(
        tier=Tier(data["tier"]),
        receivers=tuple(data["receivers"]),
        group_by=tuple(data["group_by"]),
        group_wait=timedelta(seconds=data["group_wait"]),
        group_interval=timedelta(seconds=data["group_interval"]),
        repeat_interval=timedelta(seconds=data["repeat_interval"]),
        resolve_after=timedelta(seconds=data["resolve_after"]),
        escalate=to_steps(data["escalate"]),
        mute_time_intervals=tuple(data["mute_time_intervals"]),
        rollout=Rollout(data.get("rollout", Rollout.PAGE)),
        opens_incident=data.get("opens_incident", True),
        schedule=data.get("schedule", ""),
        timezone=data.get("timezone", "UTC"),
    )


def from_steps(steps: Iterable[Escalation]) -> list[dict[str, Any]]:
    """Escalation steps as JSON."""
    return [{"after": step.after.total_seconds(), "receivers": list(step.receivers)} for step in steps]


def to_steps(data: Iterable[Mapping[str, Any]]) -> tuple[Escalation, ...]:
    """Escalation steps from their JSON."""
    return tuple(Escalation(timedelta(seconds=step["after"]), tuple(step["receivers"])) for step in data)


def to_state(row: AnyRow) -> AlertState:
    """What a route remembers, of a row of ``states``."""
    return AlertState(Status(row.status), Severity(row.severity), row.told_at, row.resolve_at)


def to_incident(row: AnyRow) -> Incident:
    """An incident of a row of ``incidents``."""
    return Incident(
        id=row.id,
        state=IncidentState(row.state),
        opened_at=row.opened_at,
        steps=to_steps(row.steps),
        step=row.step,
        receivers=tuple(row.receivers),
    )
