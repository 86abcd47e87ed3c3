"""Microsoft Teams: what a card says, and what cannot be said with it."""

from __future__ import annotations

from contracts import about, reach
from router_values import make_alert
from teams_server import teams
from test_router_notifiers import ANNOTATIONS

from llmtrace.router.model import Annotation, Outcome, Phase


def card(service, number: int = 0):
    """The card of this message."""
    return service.calls[number].body["attachments"][0]["content"]


def lines(service, number: int = 0) -> list[str]:
    """Its text, line by line."""
    return ["".join(run["text"] for run in block["inlines"]) for block in card(service, number)["body"]]


def test_a_card_says_what_a_person_must_know():
    """Title, facts in order of urgency, buttons for trace, runbook, source and acknowledgement; who ended it."""
    with teams() as service:
        reach("teams", service, about(escalation_step=1), about(Phase.RESOLVED, acted_by="mina"))
    first = lines(service)
    assert first[:2] == ["[page] CRITICAL retriever-down in bot", "escalation step 1"]
    assert "how bad: critical, value 0.4, threshold 0.3, 3 times" in first
    assert "prompt version: v7" in first
    assert [action["title"] for action in card(service)["actions"]] == ["trace", "runbook", "source", "acknowledge"]
    assert lines(service, 1)[:2] == ["[page] RESOLVED retriever-down in bot", "resolved by mina"]
    assert [action["title"] for action in card(service, 1)["actions"]] == ["trace", "runbook", "source"]


def test_what_a_sender_wrote_is_shown_as_it_stands():
    """Markdown, mentions and functions of cards are text, and nothing of them is lost."""
    said = "[click](https://evil.example) <at>everyone</at> **bold** {{DATE(2026-01-01T00:00:00Z)}}"
    with teams() as service:
        reach("teams", service, about(Phase.FIRING, make_alert(annotations={Annotation.REASON: said})))
    assert f"what: {said}" in lines(service)


def test_a_long_list_is_cut_from_its_end():
    """The worst alerts are told, the title counts all, and the card stays within its size."""
    alerts = [make_alert(annotations=ANNOTATIONS, model=f"m{number}") for number in range(40)]
    with teams() as service:
        reach("teams", service, about(Phase.FIRING, *alerts))
    told = lines(service)
    assert told[0].endswith("(and 39 more)")
    assert "model: m0" in told
    assert told[-1] == "30 more"


def test_a_page_for_people_is_no_flows_answer():
    """A flow that was taken away, or a login in front of it, is tried again and said."""
    with teams() as service:
        service.scripted.append((200, {}, "  <!DOCTYPE html><title>Sign in</title>"))
        (receipt,) = reach("teams", service, about())
    assert receipt.outcome is Outcome.RETRY
    assert receipt.detail == "HTTP 200, but not the answer of a flow: a page for people"
