"""The identity of an alert is its labels without the severity, and the worst of equals speaks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from router_values import NOON, make_alert

from llmtrace.router.model import SEVERITY, Alert, Reason, fingerprint, latest_of_each
from llmtrace.semconv.alert import Severity

labels = st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6)
severities = st.sampled_from(list(Severity))
alerts = st.builds(
    lambda name, severity: Alert({"alertname": name, SEVERITY: severity}, {}, NOON), st.sampled_from("abc"), severities
)


@given(labels, st.randoms(use_true_random=False), severities)
def test_a_fingerprint_knows_neither_order_nor_severity(given_labels, random, severity):
    """The same labels in another order and at another severity are the same alert."""
    shuffled = list(given_labels.items())
    random.shuffle(shuffled)
    assert fingerprint(dict(shuffled) | {SEVERITY: severity}) == fingerprint({**given_labels, SEVERITY: "info"})


@given(labels, labels)
def test_other_labels_are_another_alert(one, other):
    """Two sets of labels share a fingerprint only where they differ in nothing but severity and empty values."""

    def essence(given_labels):
        return {name: value for name, value in given_labels.items() if value and name != SEVERITY}

    assert (fingerprint(one) == fingerprint(other)) is (essence(one) == essence(other))


@given(st.lists(alerts, max_size=12))
def test_of_equal_alerts_the_most_severe_remains(given_alerts):
    """One alert remains for each fingerprint, none milder than any that was given, and the worst stands first."""
    remaining = latest_of_each(given_alerts)
    assert {alert.fingerprint for alert in remaining} == {alert.fingerprint for alert in given_alerts}
    assert len({alert.fingerprint for alert in remaining}) == len(remaining)
    assert [alert.severity.rank for alert in remaining] == sorted(alert.severity.rank for alert in remaining)
    for alert in remaining:
        assert alert.severity.rank == min(
            other.severity.rank for other in given_alerts if other.fingerprint == alert.fingerprint
        )


@given(st.lists(alerts, max_size=12))
def test_taking_the_worst_twice_changes_nothing(given_alerts):
    """Deduplication inside a notification is idempotent."""
    once = latest_of_each(given_alerts)
    assert latest_of_each(once) == once


def test_a_fingerprint_stays_what_it_is():
    """Incidents at destinations are named by it: it must not change between versions."""
    assert make_alert().fingerprint == "7650b43788395014c35287e6d8785043"


def test_each_reason_either_tells_or_suppresses():
    """What was told, is held back, was never firing or may not resolve tells nobody; all else tells somebody."""
    assert {reason.value for reason in Reason if not reason.suppresses} == {
        "new", "severity_rose", "repeated", "no_route", "resolved", "resolve_after", "resolve_timeout", "escalated",
        "by_person",
    }  # fmt: skip
