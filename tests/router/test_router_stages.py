"""The stages: deduplication by route and fingerprint, grouping by labels and in time."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import NOON, make_alert

from llmtrace.router.model import AlertState, Candidate, GroupState, Policy, Reason, Status, Tier
from llmtrace.router.stages.dedup import deduplicate
from llmtrace.router.stages.grouping import due_at, group_of
from llmtrace.semconv.alert import Severity

HOUR = timedelta(hours=1)
POLICY = Policy(Tier.PAGE, ("ops",), ("alertname", "team"), timedelta(seconds=10), timedelta(minutes=1), HOUR)

severities = st.sampled_from(list(Severity))
ages = st.timedeltas(timedelta(0), 3 * HOUR)


def told(severity: str, at: datetime | None) -> AlertState:
    """What a route remembers of an alert that fires and that it told."""
    return AlertState(Status.FIRING, Severity(severity), at, None)


def candidate(severity: str, state: AlertState | None, reason: Reason = Reason.NEW) -> Candidate:
    """An alert at noon on a route that remembers this."""
    return Candidate(make_alert(severity), "/{}", POLICY, reason, state, None, NOON)


@given(severities, severities, ages)
def test_an_alert_is_told_again_only_when_worse_or_when_its_time_is_over(severity, before, age):
    """A rise always tells, repeat_interval tells, everything else is a duplicate."""
    reason = deduplicate(candidate(severity, told(before, NOON - age))).reason
    if severity.rank < before.rank:
        assert reason is Reason.SEVERITY_ROSE
    elif age >= HOUR:
        assert reason is Reason.REPEATED
    else:
        assert reason is Reason.DEDUPLICATED


@given(severities)
def test_deduplication_is_idempotent(severity):
    """What was told just now is a duplicate at any severity that is not worse; what never was is left alone."""
    first = candidate(severity, None)
    assert deduplicate(first) == first
    for again in Severity:
        result = deduplicate(candidate(again, told(severity, NOON)))
        assert result.reason.suppresses is (again.rank >= severity.rank)
        assert deduplicate(result) == result


def test_no_route_stays_the_reason_when_it_is_told_again():
    """An alert without a route is told as such each time, yet deduplicated in between."""
    assert deduplicate(candidate("info", told("info", NOON - HOUR), Reason.NO_ROUTE)).reason is Reason.NO_ROUTE
    assert deduplicate(candidate("info", told("info", NOON), Reason.NO_ROUTE)).reason is Reason.DEDUPLICATED


def test_a_clock_that_was_set_back_tells_nobody_twice():
    """A last time in the future counts as just now."""
    assert deduplicate(candidate("info", told("info", NOON + HOUR))).reason is Reason.DEDUPLICATED


def test_a_group_is_a_route_and_the_values_of_its_labels():
    """Missing labels are the same as empty ones; another route is another group."""
    one = group_of(make_alert(team="a", model="x"), "/{}", POLICY)
    assert one.labels == {"alertname": "retriever-down", "team": "a"}
    assert group_of(make_alert("info", team="a", model="y"), "/{}", POLICY) == one
    assert group_of(make_alert(team="b"), "/{}", POLICY) != one
    assert group_of(make_alert(team="a"), "/{x}", POLICY) != one
    assert group_of(make_alert(), "/{}", POLICY).labels == {"alertname": "retriever-down"}


def test_grouping_by_all_labels_leaves_the_severity_out():
    """Each alert has a group of its own, in which it stays when it gets worse."""
    by_all = Policy(Tier.PAGE, ("ops",), ("...",), HOUR, HOUR, HOUR)
    assert group_of(make_alert("info"), "/{}", by_all) == group_of(make_alert("critical"), "/{}", by_all)
    assert group_of(make_alert(model="x"), "/{}", by_all) != group_of(make_alert(model="y"), "/{}", by_all)


@pytest.mark.parametrize(
    ("state", "seconds"),
    [
        (None, 10),
        (GroupState(None, NOON + timedelta(seconds=3)), 3),
        (GroupState(NOON - timedelta(seconds=5), None), 55),
        (GroupState(NOON - HOUR, None), 10),
    ],
)
def test_when_a_group_is_due(state, seconds):
    """group_wait for a quiet group, group_interval after the last time for a busy one, and nothing moves a due time."""
    assert due_at(POLICY, state, NOON) == NOON + timedelta(seconds=seconds)
