"""Deduplication: a route tells an alert again only when it got worse, or when ``repeat_interval`` is over."""

from __future__ import annotations

from dataclasses import replace

from llmtrace.router.model import Candidate, IncidentState, Reason, Status


def deduplicate(candidate: Candidate) -> Candidate:
    """Compare with what the route last told about the same fingerprint since it fires."""
    state = candidate.state
    if state is None or state.status is Status.RESOLVED or state.told_at is None:
        return candidate
    if candidate.alert.severity.rank < state.severity.rank:
        return replace(candidate, reason=Reason.SEVERITY_ROSE)
    if candidate.now - state.told_at < candidate.policy.repeat_interval:
        return replace(candidate, reason=Reason.DEDUPLICATED)
    if candidate.incident is not None and candidate.incident.state is IncidentState.ACKNOWLEDGED:
        return replace(candidate, reason=Reason.ACKNOWLEDGED)
    return replace(candidate, reason=Reason.REPEATED if candidate.reason is Reason.NEW else candidate.reason)
