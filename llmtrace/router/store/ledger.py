"""The ledger of one turn: what decisions recall and change, kept in memory and written with few statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, bindparam, select, update

from llmtrace.router.matchers import Silence, all_match
from llmtrace.router.model import (
    Alert,
    AlertState,
    Decision,
    Group,
    GroupState,
    Incident,
    IncidentState,
    Rollout,
    Status,
    Turn,
)
from llmtrace.router.ports import Matching
from llmtrace.router.store import rollouts
from llmtrace.router.store.audit import AuditTrail
from llmtrace.router.store.rows import from_policy, to_alert, to_incident, to_state
from llmtrace.router.store.schema import about, alerts, decisions, groups, incidents, members, states
from llmtrace.router.store.silences import active
from llmtrace.router.store.statement import Insertion, Statement, inserting
from llmtrace.router.store.turns import past, turn_of

_Key = tuple[str, str]

_KEY: Final = ("route", "fingerprint")
_firing = states.c.status == Status.FIRING
_shadow = states.c.route.startswith(Rollout.SHADOW.route(""))  # what nobody is told holds nothing back
_of_state = (states.c.route == bindparam("b_route")) & (states.c.fingerprint == bindparam("b_fingerprint"))
_of_groups: BindParameter[Any] = bindparam("keys", expanding=True)

_STATES: Final = Statement(
    select(states).where(states.c.fingerprint.in_(bindparam("fingerprints", expanding=True))), "fingerprints"
)
_FIRING: Final = Statement(
    select(states.c.fingerprint, *(column for column in alerts.c if column.name != "fingerprint"))
    .join(alerts, states.c.alert_id == alerts.c.id)
    .where(_firing, ~_shadow)
)
_GROUPS: Final = Statement(
    select(groups.c.key, groups.c.told_at, groups.c.due_at).where(groups.c.key.in_(_of_groups)), "keys"
)
_LIVE: Final = Statement(
    select(incidents).where(incidents.c.group_key.in_(_of_groups), incidents.c.state != IncidentState.RESOLVED), "keys"
)
_DECISIONS: Final = Insertion(decisions, known=[about.c.decisions_pruned])
_LET_GO: Final = Statement(
    update(states)
    .where(_firing, states.c.held_by.in_(bindparam("over", expanding=True)), states.c.held_until.is_(None))
    .values(held_until=bindparam("now")),
    "over",
)
_SET_GROUP: Final = Statement(
    update(groups)
    .where(groups.c.key == bindparam("b_key"))
    .values(policy=bindparam("policy"), due_at=bindparam("due_at"))
)
_NEW_GROUP: Final = inserting(groups, "told_at")
_SET_STATE: Final = Statement(
    update(states)
    .where(_of_state)
    .values({column.name: bindparam(column.name) for column in states.c if column.name not in _KEY})
)
_NEW_STATE: Final = inserting(states)
_NEW_MEMBER: Final = inserting(members, "id", "notification_id")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A decision that was made in this turn."""

    alert_id: int
    alert: Alert
    fingerprint: str
    decision: Decision


class Ledger:
    """What decisions of this turn recall, those made in it included. ``write`` ends the turn."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._entries: list[_Entry] = []
        self._states: dict[_Key, AlertState] = {}
        self._stored_states: set[_Key] = set()
        self._known: set[str] = set()
        self._groups: dict[str, GroupState | None] = {}
        self._stored_groups: set[str] = set()
        self._incidents: dict[str, Incident | None] = {}
        self._silences: Sequence[Silence] | None = None
        self._firing: dict[str, Alert] | None = None
        self._over: list[str] = []
        self.notified = False
        """Whether a group is to be told because of a decision of this turn."""
        self.released = False
        """Whether alerts that were held are to be decided again at once."""

    def prepare(self, fingerprints: Collection[str], keys: Collection[str] = ()) -> None:
        """Read at once what decisions about these, in these groups, will ask for."""
        fingerprints = [each for each in fingerprints if each not in self._known]
        self._known.update(fingerprints)
        rows = _STATES.rows(self._connection, fingerprints=fingerprints)
        for row in rows:
            self._states[row.route, row.fingerprint] = to_state(row)
            self._stored_states.add((row.route, row.fingerprint))
        self._read_groups({key for key in (*keys, *(row.group_key for row in rows)) if key not in self._groups})

    def state(self, route: str, fingerprint: str) -> AlertState | None:
        """What the route remembers of this fingerprint."""
        if fingerprint not in self._known:
            self.prepare([fingerprint])
        return self._states.get((route, fingerprint))

    def group(self, key: str) -> GroupState | None:
        """When the group was last told and is due."""
        if key not in self._groups:
            self._read_groups([key])
        return self._groups[key]

    def incident(self, key: str) -> Incident | None:
        """The group's incident that is not resolved yet."""
        if key not in self._incidents:
            self._read_groups([key])
        return self._incidents[key]

    def turns(self, route: str, fingerprint: str, since: datetime) -> Sequence[Turn]:
        """What the route knew of this fingerprint since then, the oldest first; this turn's decisions included."""
        of_this_turn = [
            turn_of(entry.decision.reason, self._now)
            for entry in self._entries
            if entry.fingerprint == fingerprint and entry.decision.route == route
        ]
        return [
            each for each in (*past(self._connection, route, fingerprint, since), *of_this_turn) if each is not None
        ]

    def silences(self) -> Sequence[Silence]:
        """Those that people made and that are not over."""
        if self._silences is None:
            self._silences = active(self._connection, self._now)
        return self._silences

    def firing(self, matchers: Sequence[Matching]) -> Sequence[Alert]:
        """Alerts that fire now, whoever is told of them, and match; those decided in this turn included."""
        if self._firing is None:
            self._firing = {row.fingerprint: to_alert(row) for row in _FIRING.rows(self._connection)}
            for entry in self._entries:
                self._note_firing(entry.alert, entry.fingerprint, entry.decision)
        return [each for each in self._firing.values() if all_match(matchers, each.labels, each.annotations)]

    def keep(self, alert_id: int, alert: Alert, fingerprint: str, decision: Decision) -> None:
        """Remember a decision, for those that follow and for ``write``."""
        self._entries.append(_Entry(alert_id, alert, fingerprint, decision))
        self._states[decision.route, fingerprint] = decision.state
        self._note_firing(alert, fingerprint, decision)
        if decision.state.status is Status.RESOLVED:
            self._over.append(fingerprint)
        if decision.notifies:
            self.notified = True
            before = self.group(decision.group.key)
            self._groups[decision.group.key] = GroupState(before.told_at if before else None, decision.due_at)

    def _note_firing(self, alert: Alert, fingerprint: str, decision: Decision) -> None:
        if self._firing is None or decision.policy.rollout is Rollout.SHADOW:
            return
        if decision.state.status is Status.FIRING:
            self._firing[fingerprint] = alert
        else:
            self._firing.pop(fingerprint, None)

    def write(self, trail: AuditTrail) -> None:
        """Write all decisions and what follows from them."""
        if not self._entries:
            return
        ids = _DECISIONS.run(self._connection, [_decision_row(entry, self._now) for entry in self._entries])
        self._write_groups()
        self._write_states(ids)
        self._write_members(ids)
        if self._over:
            self.released = _LET_GO.run(self._connection, over=self._over, now=self._now) > 0
        for entry, identifier in zip(self._entries, ids, strict=True):
            trail.add("decision", _audited(entry, identifier), alert_id=entry.alert_id)
        if any(entry.decision.policy.rollout is not Rollout.PAGE for entry in self._entries):
            self._count_rollouts()

    def _read_groups(self, keys: Collection[str]) -> None:
        if not keys:
            return
        for key in keys:
            self._groups.setdefault(key, None)
            self._incidents.setdefault(key, None)
        for row in _GROUPS.rows(self._connection, keys=keys):
            self._groups[row.key] = GroupState(row.told_at, row.due_at)
            self._stored_groups.add(row.key)
        for row in _LIVE.rows(self._connection, keys=keys):
            self._incidents[row.group_key] = to_incident(row)

    def _count_rollouts(self) -> None:
        """How many alerts came by rules that wake nobody yet."""
        fired = [each for each in self._entries if each.decision.state.status is Status.FIRING]
        rules = [rollouts.rule_of(each.alert.name, each.decision.route, each.decision.policy) for each in fired]
        rollouts.count(self._connection, filter(None, rules), (), self._now)

    def _write_groups(self) -> None:
        """The last decision that tells somebody says how; of groups that nobody hears of, the last one."""
        latest: dict[str, Decision] = {}
        for entry in self._entries:
            decision = entry.decision
            known = latest.get(decision.group.key)
            if known is None or decision.notifies or not known.notifies:
                latest[decision.group.key] = decision
        for key in latest:
            self.group(key)
        changed = [_group_row(key, decision) for key, decision in latest.items() if decision.notifies]
        changed = [row for row in changed if row["b_key"] in self._stored_groups]
        _SET_GROUP.run_all(self._connection, changed)
        new = [_new_group(decision) for key, decision in latest.items() if key not in self._stored_groups]
        _NEW_GROUP.run_all(self._connection, new)

    def _write_states(self, ids: Sequence[int]) -> None:
        latest: dict[_Key, dict[str, Any]] = {}
        for entry, identifier in zip(self._entries, ids, strict=True):
            key = (entry.decision.route, entry.fingerprint)
            latest[key] = _state_row(entry, identifier)
        changed = [row for key, row in latest.items() if key in self._stored_states]
        _SET_STATE.run_all(self._connection, changed)
        new = [row for key, row in latest.items() if key not in self._stored_states]
        _NEW_STATE.run_all(
            self._connection, [{name.removeprefix("b_"): value for name, value in row.items()} for row in new]
        )

    def _write_members(self, ids: Sequence[int]) -> None:
        rows = [
            {
                "group_key": entry.decision.group.key,
                "alert_id": entry.alert_id,
                "decision_id": identifier,
                "ended_at": self._now if entry.decision.state.status is Status.RESOLVED else None,
            }
            for entry, identifier in zip(self._entries, ids, strict=True)
            if entry.decision.notifies
        ]
        _NEW_MEMBER.run_all(self._connection, rows)


def _decision_row(entry: _Entry, now: datetime) -> dict[str, Any]:
    decision = entry.decision
    return {
        "alert_id": entry.alert_id,
        "route": decision.route,
        "tier": decision.policy.tier,
        "reason": decision.reason,
        "receivers": list(decision.policy.receivers),
        "group_key": decision.group.key,
        "due_at": decision.due_at,
        "held_by": decision.hold.by if decision.hold else None,
        "held_until": decision.hold.until if decision.hold else None,
        "config_hash": decision.config_hash,
        "decided_at": now,
    }


def _group_row(key: str, decision: Decision) -> dict[str, Any]:
    return {"b_key": key, "policy": from_policy(decision.policy), "due_at": decision.due_at}


def _new_group(decision: Decision) -> dict[str, Any]:
    group: Group = decision.group
    return {
        "key": group.key,
        "labels": dict(group.labels),
        "route": decision.route,
        "policy": from_policy(decision.policy),
        "sequence": 0,
        "due_at": decision.due_at,
    }


def _state_row(entry: _Entry, decision_id: int) -> dict[str, Any]:
    state, hold = entry.decision.state, entry.decision.hold
    return {
        "b_route": entry.decision.route,
        "b_fingerprint": entry.fingerprint,
        "group_key": entry.decision.group.key,
        "alert_id": entry.alert_id,
        "decision_id": decision_id,
        "status": state.status,
        "severity": state.severity,
        "told_at": state.told_at,
        "resolve_at": state.resolve_at,
        "held_by": hold.by if hold is not None else None,
        "held_until": hold.until if hold is not None else None,
    }


def _audited(entry: _Entry, decision_id: int) -> Mapping[str, Any]:
    decision = entry.decision
    body = {
        "decision": decision_id,
        "alert": entry.alert.name,
        "fingerprint": entry.fingerprint,
        "severity": entry.alert.severity.value,
        "status": decision.state.status.value,
        "route": decision.route,
        "tier": decision.policy.tier.value,
        "reason": decision.reason.value,
        "receivers": list(decision.policy.receivers),
        "group": decision.group.key,
        "told": decision.notifies and decision.policy.rollout is not Rollout.SHADOW,
        "rollout": None if decision.policy.rollout is Rollout.PAGE else decision.policy.rollout.value,
        "held": None if decision.hold is None else decision.hold.by,
        "config": decision.config_hash,
    }
    return {name: value for name, value in body.items() if value is not None}
