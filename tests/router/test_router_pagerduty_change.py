"""PagerDuty's change events: what changed is shown beside what broke, and wakes nobody."""

from __future__ import annotations

from contracts import about, reach
from pagerduty_change_server import pagerduty_change

from llmtrace.router.model import Outcome, Phase


def test_a_change_is_told_once_and_has_no_end():
    """What fires is a change event with its facts and links; acknowledged and over are nobody's business there."""
    with pagerduty_change() as service:
        receipts = reach("pagerduty_change", service, *(about(phase) for phase in Phase))
    (event,) = (call.body for call in service.calls)
    assert event["payload"]["custom_details"]["prompt version"] == "v7"
    assert event["payload"]["timestamp"] == "2026-11-20T12:00:00+00:00"
    assert {link["text"] for link in event["links"]} == {"trace", "runbook", "source"}
    assert [receipt.outcome for receipt in receipts] == [Outcome.DELIVERED] * 3
    assert receipts[-1].detail == "a change has no end to tell"
