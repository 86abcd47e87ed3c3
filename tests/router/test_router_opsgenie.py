"""Opsgenie and Jira Service Management: one adapter, two addresses."""

from __future__ import annotations

import pytest
from contracts import about, reach
from opsgenie_server import opsgenie
from router_values import make_alert, make_config
from test_router_notifiers import ANNOTATIONS

from llmtrace.router.model import Outcome, Phase
from llmtrace.router.notifiers import KINDS

BOTH = pytest.mark.parametrize("kind", ["opsgenie", "jsm"])


@BOTH
def test_an_alert_is_made_acknowledged_and_closed_by_its_alias(kind):
    """The published fields, and the group's key as alias through its life; the end says who ended it."""
    with opsgenie() as service:
        reach(kind, service, *(about(phase, acted_by="mina") for phase in Phase))
        assert service.alerts == {"d" * 32: {"status": "closed", "count": 1}}
    made, _, closed = (call.body for call in service.calls)
    assert made["message"] == "[page] CRITICAL retriever-down in bot"
    assert (made["priority"], made["entity"]) == ("P1", "bot")
    assert made["details"]["how bad"] == "critical, value 0.4, threshold 0.3, 3 times"
    assert made["details"]["runbook"] == "https://runbooks.example.org/r"
    assert closed["user"] == "mina"


@BOTH
def test_the_end_of_what_is_not_open_there_is_no_failure(kind):
    """Somebody closed it there already: that is what was wanted; a login page that says 404 is not believed."""
    with opsgenie() as service:
        (receipt,) = reach(kind, service, about(Phase.RESOLVED))
        assert (receipt.outcome, receipt.detail) == (Outcome.DELIVERED, "no open alert to change")
        service.scripted.append((404, {}, "<html>not here</html>"))
        (receipt,) = reach(kind, service, about(Phase.RESOLVED))
        assert receipt.outcome is Outcome.RETRY
        service.scripted.append((404, {}))
        (receipt,) = reach(kind, service, about(Phase.FIRING))
        assert receipt.outcome is Outcome.RETRY


def test_the_priority_is_what_the_alert_says_or_the_severity():
    """`priority: P4` on the alert wins; words that are no priority do not."""
    with opsgenie() as service:
        for priority in ("P4", "urgent"):
            alert = make_alert("error", ANNOTATIONS, priority=priority)
            reach("jsm", service, about(Phase.FIRING, alert))
    assert [call.body["priority"] for call in service.calls] == ["P4", "P2"]


def test_the_two_addresses():
    """Opsgenie's, by region, and that of Jira Service Management."""
    settings = {kind: KINDS[kind].settings.model_validate({"api_key": "k"}) for kind in ("opsgenie", "jsm")}
    assert settings["opsgenie"].endpoint == "https://api.opsgenie.com/v2/alerts"
    assert settings["jsm"].endpoint == "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
    europe = KINDS["opsgenie"].settings.model_validate({"api_key": "k", "region": "eu"})
    assert europe.endpoint == "https://api.eu.opsgenie.com/v2/alerts"


def test_check_says_when_opsgenie_ends(tmp_path):
    """With the day, and what comes after it, at the place in the file; of its successor it says nothing."""
    rules = """version: 1
receivers:
  old: {opsgenie: {api_key: k}}
  new: {jsm: {api_key: k}}
routes: [{tier: page, receivers: [old, new]}]
"""
    (warning,) = make_config(tmp_path, rules).warnings
    assert (warning.line, warning.key) == (3, "receivers.old.opsgenie")
    assert warning.text.startswith("Opsgenie's API ends on 2027-04-05; the notifier jsm takes the same alerts")
