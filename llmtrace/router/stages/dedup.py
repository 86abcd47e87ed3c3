"""Deduplication: a route tells an alert again only when it got worse, or when ``repeat_interval`` is over."""

from __future__ import annotations

from dataclasses import replace

from llmtrace.router.model import Candidate, Reason


def deduplicate(candidate: Candidate) -> Candidate:
    """Compare with what the route last told about the same fingerprint."""
    told = candidate.told
    if told is None:
        return candidate
    if candidate.alert.severity.rank < told.severity.rank:
        return replace(candidate, reason=Reason.SEVERITY_ROSE)
    if candidate.now - told.at < candidate.policy.repeat_interval:
        return replace(candidate, reason=Reason.DEDUPLICATED)
    return replace(candidate, reason=Reason.REPEATED if candidate.reason is Reason.NEW else candidate.reason)
