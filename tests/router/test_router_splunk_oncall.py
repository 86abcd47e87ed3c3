"""Splunk On-Call: what a group is there, and what wakes somebody."""

from __future__ import annotations

import pytest
from contracts import about, reach
from router_values import make_alert
from splunk_oncall_server import splunk_oncall

from llmtrace.router.model import Phase, Tier
from llmtrace.router.notifiers import KINDS


def test_an_entity_goes_from_critical_to_recovery():
    """One entity; the page says what it must, with links; the end says who ended it."""
    with splunk_oncall() as service:
        reach("splunk_oncall", service, *(about(phase, acted_by="mina") for phase in Phase))
    bodies = [call.body for call in service.calls]
    assert [body["message_type"] for body in bodies] == ["CRITICAL", "ACKNOWLEDGEMENT", "RECOVERY"]
    assert {body["entity_id"] for body in bodies} == {"d" * 32}
    assert bodies[0]["entity_display_name"] == "[page] CRITICAL retriever-down in bot"
    assert "how bad: critical, value 0.4, threshold 0.3, 3 times" in bodies[0]["state_message"]
    assert bodies[0]["vo_annotate.u.runbook"] == "https://runbooks.example.org/r"
    assert bodies[2]["ack_author"] == "mina"


@pytest.mark.parametrize(
    ("severity", "tier", "expected"),
    [("warning", Tier.PAGE, "CRITICAL"), ("error", Tier.CHANNEL, "CRITICAL"), ("warning", Tier.CHANNEL, "WARNING"),
     ("info", Tier.CHANNEL, "INFO")],
)  # fmt: skip
def test_a_page_is_critical_whatever_the_severity(severity, tier, expected):
    """WARNING may wake nobody there, so that what a route pages is CRITICAL; elsewhere the severity says."""
    with splunk_oncall() as service:
        reach("splunk_oncall", service, about(Phase.FIRING, make_alert(severity), tier=tier))
    assert service.calls[0].body["message_type"] == expected


@pytest.mark.parametrize("key", ["../x", "..", "a/b", "a?b", "a#b", ""])
def test_a_routing_key_cannot_lead_elsewhere(key):
    """It is a part of the address, and no more than that."""
    with pytest.raises(ValueError, match="pattern"):
        KINDS["splunk_oncall"].settings.model_validate({"api_key": "k", "routing_key": key})
