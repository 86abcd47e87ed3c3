"""Quiet: silences, muted times and inhibition. Each holds an alert back until something ends; regulated ones never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from llmtrace.router.config import RouterConfig
from llmtrace.router.config.times import muted_until
from llmtrace.router.matchers import all_match
from llmtrace.router.model import Candidate, Hold, Reason
from llmtrace.router.ports import Recall

Stage = Callable[[Candidate, RouterConfig, Recall], Candidate]


def silence(candidate: Candidate, config: RouterConfig, recall: Recall) -> Candidate:
    """Of several silences the one that lasts longest holds it."""
    found = [each for each in (*config.silences, *recall.silences()) if each.mutes(candidate.alert, candidate.now)]
    if not found:
        return candidate
    longest = max(found, key=lambda each: each.ends_at)
    return replace(candidate, reason=Reason.SILENCED, hold=Hold(longest.id, longest.ends_at))


def mute(candidate: Candidate, config: RouterConfig, _recall: Recall) -> Candidate:
    """While one of the route's time intervals holds."""
    names = candidate.policy.mute_time_intervals
    intervals = [
        each for name in names for each in config.time_intervals.get(name, ())
    ]  # the file may be another by now
    until = muted_until(intervals, candidate.now)
    if until is None:
        return candidate
    return replace(candidate, reason=Reason.MUTED, hold=Hold(", ".join(names), until))


def inhibit(candidate: Candidate, config: RouterConfig, recall: Recall) -> Candidate:
    """While another alert fires that says more about the same; never by itself, nor two by each other."""
    alert = candidate.alert
    for rule in config.inhibit:
        if not all_match(rule.target, alert.labels, alert.annotations):
            continue
        is_source = all_match(rule.source, alert.labels, alert.annotations)
        for source in recall.firing(rule.source):
            if source.fingerprint == alert.fingerprint:
                continue
            if is_source and all_match(rule.target, source.labels, source.annotations):
                continue  # both are source and target: neither says more than the other
            if all(source.labels.get(name, "") == alert.labels.get(name, "") for name in rule.equal):
                return replace(candidate, reason=Reason.INHIBITED, hold=Hold(source.fingerprint))
    return candidate


STAGES: Final[tuple[Stage, ...]] = (silence, mute, inhibit)


def quieten(candidate: Candidate, config: RouterConfig, recall: Recall) -> Candidate:
    """The first stage that holds it back gives the reason."""
    if candidate.alert.is_regulated:
        return candidate
    for stage in STAGES:
        candidate = stage(candidate, config, recall)
        if candidate.reason.suppresses:
            break
    return candidate
