"""The decision: alert, configuration and what is remembered in; who is told, when and why out. Pure, no I/O.

It knows the order of the steps. Whoever wants to know what would happen (a test, an explanation) calls it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from llmtrace.router.config import RouterConfig
from llmtrace.router.model import UNROUTED, Alert, AlertState, Candidate, Decision, Place, Policy, Reason, Status
from llmtrace.router.ports import Over, Recall, Waiting
from llmtrace.router.routing import rollout, tiers, tree
from llmtrace.router.stages.dedup import deduplicate
from llmtrace.router.stages.flapping import damp
from llmtrace.router.stages.grouping import due_at, group_of
from llmtrace.router.stages.quiet import quieten
from llmtrace.router.stages.resolution import after, resolve


@dataclass(frozen=True, slots=True)
class Deciding:
    """The decision bound to a configuration and a moment."""

    config: RouterConfig
    now: datetime

    def place(self, alert: Alert) -> tuple[Place, ...]:
        """Where the alert belongs."""
        return place(alert, self.config)

    def decide(self, alert: Alert, recall: Recall, places: Sequence[Place] | None = None) -> tuple[Decision, ...]:
        """One decision for each route that applies, at least one; ``places`` are those of ``place``, if at hand."""
        found = place(alert, self.config) if places is None else places
        if alert.status is Status.RESOLVED:
            found = (*found, *_left_behind(alert, found, self.config, recall))
        return tuple(_decide(alert, each, self.config, recall, self.now) for each in found)

    def expire(self, over: Over, recall: Recall) -> Decision:
        """That an alert is over by itself."""
        reason = Reason.RESOLVE_AFTER if over.alert.ends_at is None else Reason.RESOLVE_TIMEOUT
        due = None if over.state.told_at is None else due_at(over.policy, recall.group(over.group.key), self.now)
        state = AlertState(Status.RESOLVED, over.alert.severity, None, None)
        return Decision(over.route, over.policy, reason, over.group, due, self.config.hash, state)

    def may_hold(self, recall: Recall) -> bool:
        """Whether there is anything that may hold an alert back."""
        config = self.config
        return bool(config.silences or config.inhibit or config.time_intervals or recall.silences())

    def hold_back(self, waiting: Waiting, recall: Recall) -> Decision | None:
        """Why an alert that waits for its group is not told after all; None where nothing holds it back."""
        alert, state = waiting.alert, replace(waiting.state, told_at=None)
        incident = recall.incident(waiting.group.key)
        found = Candidate(alert, waiting.route, waiting.policy, Reason.NEW, state, incident, self.now)
        held = quieten(found, self.config, recall)
        if not held.reason.suppresses:
            return None
        group, policy = waiting.group, waiting.policy
        return Decision(waiting.route, policy, held.reason, group, None, self.config.hash, state, held.hold)


def place(alert: Alert, config: RouterConfig) -> tuple[Place, ...]:
    """Each route that applies with its group, at least one; nothing of the past is needed for it."""
    found = _routes(alert, config)
    if config.rollout:
        found = [(*rollout.staged(alert, config, route, policy), reason) for route, policy, reason in found]
    return tuple(Place(route, policy, reason, group_of(alert, route, policy)) for route, policy, reason in found)


def _routes(alert: Alert, config: RouterConfig) -> Sequence[tuple[str, Policy, Reason]]:
    """Each route that applies, as the file has it."""
    return [(node.id, tiers.policy(node, alert.severity), Reason.NEW) for node in tree.route(alert, config.routes)] or [
        (UNROUTED, config.unrouted, Reason.NO_ROUTE)
    ]


def _left_behind(alert: Alert, places: Sequence[Place], config: RouterConfig, recall: Recall) -> Iterator[Place]:
    """Where an alert that is over still fires from an earlier mode of its rule: who was told then hears of the end."""
    fingerprint = alert.fingerprint

    def fires(route: str) -> bool:
        state = recall.state(route, fingerprint)
        return state is not None and state.status is Status.FIRING

    if not any(fires(name) for each in places for name in rollout.other_names(each.route)):
        return
    known = {each.route for each in places}
    for route, policy, reason in _routes(alert, config):
        for name, staged in rollout.every(route, policy, config):
            if name not in known and fires(name):
                yield Place(name, staged, reason, group_of(alert, name, staged))


def decide(alert: Alert, config: RouterConfig, recall: Recall, now: datetime) -> tuple[Decision, ...]:
    """One decision for each route that applies, at least one."""
    return Deciding(config, now).decide(alert, recall)


def _decide(alert: Alert, at: Place, config: RouterConfig, recall: Recall, now: datetime) -> Decision:
    route, policy, reason, group = at.route, at.policy, at.reason, at.group
    state, incident = recall.state(route, alert.fingerprint), recall.incident(group.key)
    judged = _judge(Candidate(alert, route, policy, reason, state, incident, now), config, recall)
    due = None if judged.reason.suppresses else due_at(policy, recall.group(group.key), now)
    if not policy.receivers:
        due, judged = None, replace(judged, reason=_unheard(judged.reason))
    elif policy.schedule and due is not None:
        due, judged = None, replace(judged, reason=_bundled(judged.reason))
    state = after(judged, notifies=due is not None)
    return Decision(route, policy, judged.reason, group, due, config.hash, state, judged.hold)


def _judge(candidate: Candidate, config: RouterConfig, recall: Recall) -> Candidate:
    if candidate.alert.status is Status.RESOLVED:
        return resolve(candidate)
    judged = deduplicate(candidate)
    if not judged.reason.suppresses:
        judged = quieten(judged, config, recall)
    return judged if judged.reason.suppresses else damp(judged, config.flapping, recall)


def _bundled(reason: Reason) -> Reason:
    return reason if reason is Reason.NO_ROUTE else Reason.BUNDLED


def _unheard(reason: Reason) -> Reason:
    return reason if reason is Reason.NO_ROUTE else Reason.NO_RECEIVER
