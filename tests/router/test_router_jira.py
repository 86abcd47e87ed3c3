"""Jira Cloud: one issue a group, found again whatever its search knows yet, and ended by the workflow's own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from contracts import NONSENSE, about, attempt, reach
from jira_server import Jira
from router_values import make_config

from llmtrace.router.model import Outcome, Phase, Receipt
from llmtrace.router.notifiers import KINDS


def to_jira(service: Jira, *messages, **more: Any) -> list[Receipt]:
    """One attempt at each, with these settings beside the usual ones."""
    login = {"user": "bot@example.org", "token": "k" * 32, "url": service.url, "allow_private": True}
    return attempt("jira", {**login, "project": "LEGAL", **more}, *messages)


def texts(document: dict[str, Any]) -> list[str]:
    """A document's lines."""
    return ["".join(node["text"] for node in paragraph["content"]) for paragraph in document["content"]]


def test_one_issue_is_made_commented_and_ended():
    """The issue says what a person must know; more is a comment; the end is a comment and the workflow's transition."""
    with Jira() as service:
        more = {"issue_type": "Incident", "labels": ["llm"], "due": "24h", "fields": {"priority": {"name": "High"}}}
        (made,) = to_jira(service, about(), **more)
        assert made == Receipt(Outcome.DELIVERED, "HTTP 201", None, "LEGAL-1")
        to_jira(service, about(), about(Phase.ACKNOWLEDGED, acted_by="mina"), about(Phase.RESOLVED, acted_by="mina"))
        (issue,) = service.issues
    assert issue["summary"] == "[page] CRITICAL retriever-down in bot"
    assert issue["labels"] == ["llmtrace-" + "d" * 32, "llm"]
    assert (issue["issuetype"]["name"], issue["duedate"], issue["priority"]["name"]) == (
        "Incident",
        "2026-11-21",
        "High",
    )
    assert "how bad: critical, value 0.4, threshold 0.3, 3 times" in texts(issue["description"])
    assert texts(issue["comments"][-1])[0] == "[page] RESOLVED retriever-down in bot, resolved by mina"
    assert (issue["status"], issue["ended_by"], len(issue["comments"])) == ("done", "31", 3)


def test_an_issue_that_search_does_not_find_yet_is_known_by_its_key():
    """Jira's search lags behind; the key that the store kept makes no second issue."""
    with Jira() as service:
        (made,) = to_jira(service, about())
        service.lags = True
        to_jira(service, replace(about(), handle=made.handle))
        assert len(service.issues) == 1
        assert len(service.issues[0]["comments"]) == 1


@pytest.mark.parametrize("gone", ["done", "deleted"])
def test_what_somebody_closed_or_deleted_is_opened_anew_while_it_fires(gone):
    """A closed issue is not written to: what fires again has an issue that is open."""
    with Jira() as service:
        (made,) = to_jira(service, about())
        if gone == "done":
            service.issues[0]["status"] = "done"
        else:
            service.issues.clear()
        (over,) = to_jira(service, replace(about(Phase.RESOLVED), handle=made.handle))
        assert over.detail == "no open issue to update"
        (again,) = to_jira(service, replace(about(), handle=made.handle))
        assert service.issues[-1]["status"] == "new"
        assert again.handle == service.issues[-1]["key"]


@pytest.mark.parametrize(("transition", "ended_by"), [(None, "31"), ("Reject", "41"), ("Sink", None)])
def test_the_end_is_the_transition_that_is_wished(transition, ended_by):
    """By its name, or the first to a status of the category Done; where there is none the receipt says so."""
    with Jira() as service:
        *_, receipt = to_jira(service, about(), about(Phase.RESOLVED), transition=transition)
        assert service.issues[0].get("ended_by") == ended_by
    assert receipt.outcome is Outcome.DELIVERED
    assert ("no transition ends the issue" in receipt.detail) is (ended_by is None)


@pytest.mark.parametrize("nonsense", NONSENSE)
@pytest.mark.parametrize("before", range(4))
def test_nonsense_at_any_step_of_an_end_loses_nothing(nonsense, before):
    """At the look at the issue, the comment, the transitions and the transition alike: tried again, and said."""
    with Jira() as service:
        to_jira(service, about())
        status, body = NONSENSE[nonsense]
        service.scripted.extend([*[None] * before, (status, {}, body)])
        (receipt,) = to_jira(service, replace(about(Phase.RESOLVED), handle="LEGAL-1"))
        assert len(service.issues) == 1
    assert receipt.outcome is Outcome.RETRY
    assert receipt.detail.startswith(f"HTTP {status}, but ")


def test_a_key_that_is_none_leads_nowhere():
    """What search answers is not put into an address before it looks like a key."""
    with Jira() as service:
        service.scripted.append((200, {}, {"issues": [{"key": "../../admin"}]}))
        (receipt,) = to_jira(service, about())
        assert len(service.calls) == 1
    assert receipt == Receipt(Outcome.RETRY, "HTTP 200, but not Jira's list of issues")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [({"site": "x"}, "needs one of site and url"), ({"url": None}, "needs one of site and url"),
     ({"url": None, "site": "a.b/c"}, "no site; allowed: its name"), ({"project": 'A" OR "1'}, "pattern"),
     ({"labels": ["a b"]}, "pattern"), ({"token": None}, "needs one of token and token_file")],
)  # fmt: skip
def test_wrong_settings_are_refused_in_words(changes, problem):
    """Before anything is sent."""
    given = {"url": "https://jira.example.org", "user": "u", "token": "t", "project": "LEGAL"}
    with pytest.raises(ValueError, match=problem):
        KINDS["jira"].settings.model_validate({**given, **changes})


def test_jira_is_a_ticket_system_and_an_alert_tool_is_none(tmp_path):
    """The proof about regulated alerts takes an issue for a ticket; an alert of Jira Service Management is none."""
    rules = """version: 1
receivers:
  issues: {jira: {site: example, user: u, token: t, project: LEGAL}}
  on-call: {jsm: {api_key: k}}
routes:
  - {matchers: ['regulated="true"'], tier: page, receivers: [RECEIVER]}
  - {tier: digest, receivers: [issues, on-call]}
"""
    assert make_config(tmp_path, rules.replace("RECEIVER", "issues, on-call")).is_proven
    with pytest.raises(ValueError, match=r"opens no ticket at once; allowed: .* \(servicenow or jira\) on every such"):
        make_config(tmp_path, rules.replace("RECEIVER", "on-call"))


def test_the_contract_counts_issues_and_not_comments():
    """A life of five messages is one issue with four comments."""
    with Jira() as service:
        reach("jira", service, *(about() for _ in range(5)), remember=True)
        (issue,) = service.issues
    assert len(issue["comments"]) == 4
