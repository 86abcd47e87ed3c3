"""The decision: alert, configuration and what is remembered in; who is told, when and why out. Pure, no I/O.

It knows the order of the steps. Whoever wants to know what would happen (a test, an explanation) calls it too.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from llmtrace.router.config import RouterConfig
from llmtrace.router.model import Alert, Candidate, Decision, Reason
from llmtrace.router.ports import Recall, Stage
from llmtrace.router.routing import tiers, tree
from llmtrace.router.stages.dedup import deduplicate
from llmtrace.router.stages.grouping import due_at, group_of

STAGES: Final[tuple[Stage, ...]] = (deduplicate,)
UNROUTED: Final = "none"


def decide(alert: Alert, config: RouterConfig, recall: Recall, now: datetime) -> tuple[Decision, ...]:
    """One decision for each route that applies, at least one."""
    routes = [(node.id, tiers.policy(node, alert.severity), Reason.NEW) for node in tree.route(alert, config.routes)]
    return tuple(
        _decide(Candidate(alert, route, policy, reason, recall.told(route, alert.fingerprint), now), config, recall)
        for route, policy, reason in routes or [(UNROUTED, config.unrouted, Reason.NO_ROUTE)]
    )


def _decide(candidate: Candidate, config: RouterConfig, recall: Recall) -> Decision:
    group = group_of(candidate.alert, candidate.route, candidate.policy)
    if candidate.policy.receivers:
        reason = _through_stages(candidate)
        due = None if reason.suppresses else due_at(candidate.policy, recall.group(group.key), candidate.now)
    else:
        reason, due = _unheard(candidate.reason), None
    return Decision(candidate.route, candidate.policy, reason, group, due, config.hash)


def _through_stages(candidate: Candidate) -> Reason:
    for stage in STAGES:
        candidate = stage(candidate)
        if candidate.reason.suppresses:
            break
    return candidate.reason


def _unheard(reason: Reason) -> Reason:
    return reason if reason is Reason.NO_ROUTE else Reason.NO_RECEIVER
