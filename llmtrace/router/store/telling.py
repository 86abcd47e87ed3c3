"""Telling: groups that are due become messages, and with the first and the last of them an incident opens and ends."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from llmtrace.router.model import (
    ALERTNAME,
    IncidentState,
    Phase,
    Policy,
    Rollout,
    Status,
    Tier,
    digest,
    first_at,
    rollout_of,
)
from llmtrace.router.ports import Desk
from llmtrace.router.store import rollouts, shadows
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.messages import Message, send_all
from llmtrace.router.store.rows import AnyRow, from_steps, to_policy
from llmtrace.router.store.schema import alerts, audit, decisions, groups, incidents, members, states
from llmtrace.router.store.statement import Insertion, Statement
from llmtrace.semconv.alert import Severity

_keys: BindParameter[Any] = bindparam("keys", expanding=True)
_LIVE: Final = Statement(
    select(incidents.c.group_key, incidents.c.id, incidents.c.receivers).where(
        incidents.c.group_key.in_(_keys), incidents.c.state != IncidentState.RESOLVED
    ),
    "keys",
)
_FIRING: Final = Statement(
    select(states.c.group_key, func.count())
    .where(states.c.group_key.in_(_keys), states.c.status == Status.FIRING, states.c.told_at.is_not(None))
    .group_by(states.c.group_key),
    "keys",
)
_WAITING: Final = Statement(
    select(
        members.c.group_key,
        members.c.decision_id,
        members.c.ended_at,
        decisions.c.reason,
        decisions.c.config_hash,
        alerts.c.labels,
    )
    .join(decisions, members.c.decision_id == decisions.c.id)
    .join(alerts, members.c.alert_id == alerts.c.id)
    .where(members.c.group_key.in_(_keys), members.c.notification_id.is_(None))
    .order_by(members.c.id),
    "keys",
)
_INCIDENTS: Final = Insertion(
    incidents, "acknowledged_at", "acknowledged_by", "resolved_at", "resolved_by", known=[audit.c.incident_id]
)
_ASSIGN: Final = Statement(
    update(members)
    .where(members.c.group_key == bindparam("b_key"), members.c.notification_id.is_(None))
    .values(notification_id=bindparam("b_id"))
)
_END: Final = Statement(
    update(incidents)
    .where(incidents.c.id == bindparam("b_id"))
    .values(
        state=IncidentState.RESOLVED, resolved_at=bindparam("b_at"), resolved_by=bindparam("b_by"), escalate_at=None
    )
)
_REST: Final = Statement(
    update(groups)
    .where(groups.c.key == bindparam("b_key"))
    .values(told_at=bindparam("b_told"), sequence=bindparam("b_sequence"), due_at=None)
)


class Telling:
    """One transaction's groups that are due."""

    def __init__(self, connection: Connection, rows: Sequence[AnyRow], now: datetime) -> None:
        self._connection = connection
        self._rows = rows
        self._keys = [row.key for row in rows]
        self._policies = {row.key: to_policy(row.policy) for row in rows}
        self._now = now
        self._waiting = _waiting(connection, self._keys)
        self._firing = _firing(connection, self._keys)
        self._incidents = _live_incidents(connection, self._keys)

    def run(self, desk: Desk, trail: AuditTrail) -> None:
        """Write a message for each group, open or end its incident, and set the group to rest."""
        self._open(trail)
        told = [(row, self._message(row)) for row in self._rows if self._waiting[row.key]]
        ids = send_all(self._connection, [message for _, message in told], desk, trail, self._now)
        self._assign([row.key for row, _ in told], ids)
        self._end([message for _, message in told], trail)
        self._count_rollouts(told)
        self._rest()

    def _open(self, trail: AuditTrail) -> None:
        """Incidents for groups that fire and have none; a digest is no incident."""
        opening = [row for row in self._rows if self._opens(row)]
        rows = [_incident(row, self._policies[row.key], self._config_hash(row.key), self._now) for row in opening]
        for group, row, identifier in zip(opening, rows, _INCIDENTS.run(self._connection, rows), strict=True):
            self._incidents[group.key] = _Live(identifier, tuple(row["receivers"]))
            trail.add("incident_opened", {"group": group.key, "steps": row["steps"]}, incident_id=identifier)

    def _opens(self, row: AnyRow) -> bool:
        has_one = row.key in self._incidents
        policy = self._policies[row.key]
        return bool(self._firing[row.key]) and not has_one and _opens(policy) and policy.rollout is not Rollout.SHADOW

    def _config_hash(self, key: str) -> str:
        return next((str(member.config_hash) for member in self._waiting[key]), "")

    def _message(self, row: AnyRow) -> Message:
        policy, incident = self._policies[row.key], self._incidents.get(row.key)
        is_over = policy.tier is not Tier.DIGEST and not self._firing[row.key]
        lead = _lead(self._waiting[row.key], Status.RESOLVED if is_over else Status.FIRING)
        receivers = policy.receivers
        if incident is not None and is_over:
            receivers = tuple(dict.fromkeys((*incident.receivers, *receivers)))
        return Message(
            group_key=row.key,
            sequence=row.sequence + 1,
            phase=Phase.RESOLVED if is_over else Phase.FIRING,
            reason=lead.reason,
            tier=policy.tier,
            decision_id=lead.decision_id,
            receivers=() if policy.rollout is Rollout.SHADOW else receivers,
            withheld_from=receivers if policy.rollout is Rollout.SHADOW else (),
            incident_id=incident.id if incident else None,
        )

    def _assign(self, keys: Sequence[str], ids: Sequence[int]) -> None:
        changes = [{"b_key": key, "b_id": identifier} for key, identifier in zip(keys, ids, strict=True)]
        _ASSIGN.run_all(self._connection, changes)

    def _end(self, messages: Iterable[Message], trail: AuditTrail) -> None:
        over = [message for message in messages if message.phase is Phase.RESOLVED and message.incident_id is not None]
        for message in over:
            trail.add("incident_resolved", {"by": str(message.reason)}, incident_id=message.incident_id)
        ends = [{"b_id": message.incident_id, "b_by": str(message.reason), "b_at": self._now} for message in over]
        _END.run_all(self._connection, ends)

    def _count_rollouts(self, told: Iterable[tuple[AnyRow, Message]]) -> None:
        """How many messages there are of rules that wake nobody yet, each rule in it once."""
        found: list[rollouts.Rule] = []
        hidden: list[shadows.Told] = []
        for row, message in told:
            policy = self._policies[row.key]
            if policy.rollout is Rollout.PAGE:
                continue
            waiting, ended_at = self._waiting[row.key], None
            names = sorted({each.labels.get(ALERTNAME, "") for each in waiting if each.ended_at is None})
            if message.phase is Phase.FIRING:
                found += [rule for name in names if (rule := rollouts.rule_of(name, row.route, policy))]
            else:
                ended_at = max((each.ended_at for each in waiting if each.ended_at is not None), default=self._now)
            if policy.rollout is Rollout.SHADOW and _opens(policy):
                hidden.append(shadows.Told(row.key, rollout_of(row.route)[1], policy, names, ended_at))
        if found:
            rollouts.count(self._connection, (), found, self._now)
        shadows.note(self._connection, hidden, self._now)

    def _rest(self) -> None:
        changes = [
            {"b_key": row.key, "b_told": self._now, "b_sequence": row.sequence + 1}
            if self._waiting[row.key]
            else {"b_key": row.key, "b_told": row.told_at, "b_sequence": row.sequence}
            for row in self._rows
        ]
        _REST.run_all(self._connection, changes)


@dataclass(frozen=True, slots=True)
class _Live:
    """The part of an incident that a message needs."""

    id: int
    receivers: tuple[str, ...]


def _opens(policy: Policy) -> bool:
    """Whether what it tells is an incident: a digest is none, nor is a sign of life."""
    return policy.opens_incident and policy.tier is not Tier.DIGEST


def _live_incidents(connection: Connection, keys: Sequence[str]) -> dict[str, _Live]:
    return {row.group_key: _Live(row.id, tuple(row.receivers)) for row in _LIVE.rows(connection, keys=keys)}


def _firing(connection: Connection, keys: Sequence[str]) -> dict[str, int]:
    """How many alerts of each group fire that somebody was told of."""
    counts = dict.fromkeys(keys, 0)
    for key, count in _FIRING.rows(connection, keys=keys):
        counts[key] = count
    return counts


def _waiting(connection: Connection, keys: Sequence[str]) -> dict[str, list[AnyRow]]:
    """By group: what is to be told of each alert, in the order in which it was decided."""
    found: dict[str, list[AnyRow]] = defaultdict(list)
    for row in _WAITING.rows(connection, keys=keys):
        found[row.group_key].append(row)
    return found


def _lead(waiting: Sequence[AnyRow], status: Status) -> AnyRow:
    """The decision that speaks for the group: of its most severe alert in this status, of equals the first."""
    fitting = [row for row in waiting if (row.ended_at is None) is (status is Status.FIRING)]
    return min(fitting or waiting, key=lambda row: Severity(row.labels["severity"]).rank)


def _incident(group: AnyRow, policy: Policy, config_hash: str, now: datetime) -> dict[str, Any]:
    return {
        "group_key": group.key,
        "dedup_key": digest(group.key),
        "state": IncidentState.OPEN,
        "tier": policy.tier,
        "receivers": list(policy.receivers),
        "steps": from_steps(policy.escalate),
        "step": 0,
        "escalate_at": first_at(policy.escalate, now),
        "config_hash": config_hash,
        "opened_at": now,
    }
