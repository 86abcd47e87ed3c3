"""Grouping: alerts of one route with the same ``group_by`` labels are told together, and not too often."""

from __future__ import annotations

import json
from datetime import datetime

from llmtrace.router.model import GROUP_BY_ALL, SEVERITY, Alert, Group, GroupState, Policy


def group_of(alert: Alert, route: str, policy: Policy) -> Group:
    """The alert's group. By all labels means all but the severity: a rise belongs to the same incident."""
    names = set(alert.labels) - {SEVERITY} if GROUP_BY_ALL in policy.group_by else set(policy.group_by)
    labels = {name: alert.labels[name] for name in sorted(names) if name in alert.labels}
    return Group(f"{route}:{json.dumps(labels, ensure_ascii=False)}", labels)


def due_at(policy: Policy, state: GroupState | None, now: datetime) -> datetime:
    """When to tell the group: after ``group_wait``, but not before ``group_interval`` after the last time."""
    waited = now + policy.group_wait
    if state is None:
        return waited
    if state.due_at is not None:
        return state.due_at
    return waited if state.told_at is None else max(waited, state.told_at + policy.group_interval)
