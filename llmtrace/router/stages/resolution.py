"""Resolution: word that an alert is over is told where its firing was told, and never for a regulated one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from llmtrace.router.model import Alert, AlertState, Candidate, Policy, Reason, Status


def resolve(candidate: Candidate) -> Candidate:
    """Judge an alert whose source says that it is over."""
    return replace(candidate, reason=_reason(candidate))


def _reason(candidate: Candidate) -> Reason:
    state = candidate.state
    if state is None or state.status is Status.RESOLVED:
        return Reason.NOT_FIRING
    if candidate.alert.is_regulated:
        return Reason.REGULATED
    return Reason.NEVER_TOLD if state.told_at is None else Reason.RESOLVED


def resolves_at(alert: Alert, policy: Policy, now: datetime) -> datetime | None:
    """When a firing alert is over by itself: None where only a person may say so."""
    if alert.is_regulated:
        return None
    return alert.ends_at if alert.ends_at is not None else now + policy.resolve_after


def after(candidate: Candidate, *, notifies: bool) -> AlertState:
    """What the route remembers once this is decided."""
    alert, before = candidate.alert, candidate.state
    if alert.status is Status.RESOLVED:
        return _after_resolution(candidate)
    resolve_at = resolves_at(alert, candidate.policy, candidate.now)
    if notifies:
        return AlertState(Status.FIRING, alert.severity, candidate.now, resolve_at)
    if before is None or before.status is Status.RESOLVED or before.told_at is None:
        return AlertState(Status.FIRING, alert.severity, None, resolve_at)
    return replace(before, resolve_at=resolve_at)


def _after_resolution(candidate: Candidate) -> AlertState:
    before = candidate.state
    if before is not None and candidate.reason is Reason.REGULATED:
        return before
    return AlertState(Status.RESOLVED, candidate.alert.severity, None, None)
