"""The mission's scenarios, end to end: the real router under the example's rules, real senders, checking destinations.

Time is moved by the router's Clock, the one place where it asks for it; the rest of the process is the real one.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from destinations import MailServer, pagerduty, servicenow, slack
from router_process import RouterProcess
from router_values import TRACE_ID, make_request, make_span, make_tag
from waiting import wait_until

from llmtrace.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from destinations import Service

EXAMPLE = Path(__file__).parents[2] / "examples/rules/alerts.yaml"
FIRST, SECOND, SIGNING = "1" * 32, "2" * 32, "pagerduty-signing-secret"
MINUTE, HOUR = 60, 3600


class Company:
    """Loopback destinations of a company, and its rules."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.pagers, self.chat, self.desk = (stack.enter_context(make()) for make in (pagerduty, slack, servicenow))
        self.mail = stack.enter_context(MailServer())
        self.file = folder / "alerts.yaml"
        self.file.write_text(self._rules())
        self.environ = {
            "PAGERDUTY_KEY": FIRST, "PAGERDUTY_SECONDARY": SECOND, "PAGERDUTY_WEBHOOK": SIGNING,
            "SLACK_URL": f"{self.chat.url}/s", "SNOW_TOKEN": "t0ken",
        }  # fmt: skip

    def _rules(self) -> str:
        """The example's, with loopback addresses."""
        private = "allow_private: true"
        text = EXAMPLE.read_text()
        for old, new in (
            ('_KEY}"}', f'_KEY}}", url: "{self.pagers.url}", {private}}}'),
            ('_SECONDARY}"}', f'_SECONDARY}}", url: "{self.pagers.url}", {private}}}'),
            ('SLACK_URL}"}', f'SLACK_URL}}", {private}}}'),
            ("instance: example", f'url: "{self.desk.url}", {private}'),
            ("email: {to", f"email: {{host: 127.0.0.1, port: {self.mail.port}, to"),
        ):
            assert old in text
            text = text.replace(old, new)
        return text

    def router(self) -> RouterProcess:
        return RouterProcess(self.file, environ=self.environ, moved=True)

    def pages(self, key: str) -> list[dict[str, Any]]:
        """What an on-call service got under this routing key."""
        return [call.body for call in self.pagers.calls if call.body["routing_key"] == key]

    def tickets(self) -> list[dict[str, Any]]:
        return self.desk.tickets  # type: ignore[attr-defined, no-any-return]


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    """Servers that check what they get against the published formats."""
    with ExitStack() as stack:
        yield Company(tmp_path, stack)


def settled(router: RouterProcess, count: int) -> None:
    """So many deliveries, and none of them still under way."""
    wait_until(
        lambda: [row["state"] for row in router.get("deliveries")].count("delivered") == count, f"{count} deliveries"
    )


def texts(service: Service) -> list[str]:
    """Each body as text."""
    return [json.dumps(call.body) for call in service.calls]


def test_a_latency_breach_pages_with_links_and_runbook_and_escalates_after_15_minutes(company):
    """Value, threshold, model, prompt, segment, trace and runbook; after a restart the second is told at 15 minutes."""
    breach = {
        "name": "latency", "severity": "error", "value": 12.5, "threshold": 10, "model": "gpt-x",
        "prompt_version": "v7", "segment": {"tier": "premium"}, "service": "bot", "environment": "production",
        "trace_ids": [TRACE_ID],
        "runbook_url": "https://runbooks.example.org/latency", "reason": "p95 over 10 s",
    }  # fmt: skip
    with company.router() as router:
        assert router.client.post("/ingest/generic", json=breach).status_code == 202
        settled(router, 1)
        router.move(15 * MINUTE - 10)
        assert len(company.pagers.calls) == 1
    (page,) = company.pages(FIRST)
    details = page["payload"]["custom_details"]
    assert details["how bad"] == "error, value 12.5, threshold 10"
    shown = json.dumps(details)
    assert all(text in shown for text in ("gpt-x", "v7", "premium", "p95 over 10 s"))
    assert {link["text"]: link["href"] for link in page["links"]} == {
        "trace": f"http://localhost:6006/redirects/traces/{TRACE_ID}",
        "runbook": "https://runbooks.example.org/latency",
    }
    with company.router() as router:
        assert not company.pages(SECOND)
        router.move(10)
        settled(router, 2)
        (second,) = company.pages(SECOND)
        assert second["dedup_key"] == page["dedup_key"]
        told = router.explain("latency")
        acknowledge(router, second["dedup_key"])
        settled(router, 4)
        router.move(2 * HOUR)
        assert len(company.pagers.calls) == 4
    assert "told on-call, because it was new on this route" in told
    assert "secondary by pagerduty, of it (escalation step 1: nobody had acknowledged the incident in time)" in told
    assert [body["event_action"] for body in company.pages(FIRST)] == ["trigger", "acknowledge"]
    assert not company.chat.calls
    assert not company.tickets()


def acknowledge(router: RouterProcess, key: str) -> None:
    """As PagerDuty says that a person did: signed."""
    event = {
        "event_type": "incident.acknowledged", "agent": {"type": "user_reference", "summary": "Mina"},
        "data": {"incident_key": key},
    }  # fmt: skip
    body = json.dumps({"event": event}).encode()
    signature = "v1=" + hmac.digest(SIGNING.encode(), body, hashlib.sha256).hex()
    headers = {"x-pagerduty-signature": signature, "content-type": "application/json"}
    assert router.client.post("/ingest/pagerduty", content=body, headers=headers).json() == {"acted": True}


def test_a_page_that_is_acknowledged_in_time_does_not_escalate(company):
    """PagerDuty's signed webhook counts; the second is never told, the incident ends by itself."""
    with company.router() as router:
        router.post(make_request(make_span(make_tag("critical", key="retriever-empty"))))
        settled(router, 1)
        acknowledge(router, company.pages(FIRST)[0]["dedup_key"])
        router.move(30 * MINUTE)
        router.move(30 * MINUTE)
        settled(router, 3)
        told = router.explain("retriever-empty")
    assert [body["event_action"] for body in company.pages(FIRST)] == ["trigger", "acknowledge", "resolve"]
    assert not company.pages(SECOND)
    assert "acknowledged by Mina (PagerDuty)" in told
    assert "resolved by resolve_after" in told


def test_drift_on_the_legal_teams_retriever_is_a_ticket_and_a_message(company):
    """Arize's webhook becomes one ticket with its due time and one message, and no page."""
    drift = {
        "monitor_name": "embedding-drift", "severity": "warning", "metric_value": 0.41, "threshold": 0.25,
        "segment": "contracts", "team": "legal-ai", "model_name": "retriever-legal", "status": "triggered",
        "monitor_url": "https://app.arize.com/monitors/7",
    }  # fmt: skip
    with company.router() as router:
        assert router.client.post("/ingest/arize", json=drift).status_code == 202
        wait_until(lambda: router.get("decisions"), "it is decided")
        router.move(30)
        settled(router, 2)
        told = router.explain("embedding-drift")
        router.client.post("/ingest/arize", json={**drift, "status": "cleared"}).raise_for_status()
        router.move(6 * MINUTE)
        settled(router, 4)
    (ticket,) = company.tickets()
    assert "embedding-drift" in ticket["short_description"]
    assert ticket["due_date"]
    assert ticket["state"] == "6"
    first, last = texts(company.chat)
    assert all(text in first for text in ("embedding-drift", "0.41", "0.25", "contracts", "app.arize.com/monitors/7"))
    assert "resolved" in last.lower()
    assert not company.pagers.calls
    assert "(tier channel): told legal-tickets, ai-ops, because it was new on this route" in told


def test_a_regulated_model_opens_a_ticket_that_only_a_person_closes(company):
    """Neither its source nor a silence nor two days close it; then a person does, and the ticket says who."""
    alert = {"name": "toxicity", "severity": "warning", "model": "credit-1", "regulated": True}
    with company.router() as router:
        arguments = ["--config", str(company.file), "--url", str(router.client.base_url), "--by", "max"]
        with pytest.MonkeyPatch.context() as patch:
            for name, value in company.environ.items():
                patch.setenv(name, value)
            assert main(["router", "silence", "add", 'model="credit-1"', "--for", "9d", *arguments]) == 0
        router.client.post("/ingest/generic", json=alert).raise_for_status()
        wait_until(lambda: router.get("decisions"), "it is decided")
        router.move(30)
        settled(router, 2)
        router.client.post("/ingest/generic", json={**alert, "status": "resolved"}).raise_for_status()
        router.move(48 * HOUR)
        wait_until(lambda: len(router.get("decisions")) == 2, "its end is decided")
        (ticket,) = company.tickets()
        assert "state" not in ticket
        told = router.explain("toxicity")
        (incident,) = router.get("incidents")
        router.client.post(f"/api/v1/incidents/{incident['id']}/resolve", json={"by": "mina"}).raise_for_status()
        settled(router, 4)
    assert (ticket["state"], ticket["close_notes"]) == ("6", "resolved by mina")
    assert "nobody was told, because it is regulated: only a person may say that it is over" in told
    assert not company.pagers.calls


def test_staging_is_a_message_or_a_digest_and_never_a_page(company):
    """Critical: the channel. A warning: the next digest by mail. Nobody's pager rings, and explain says why."""
    spans = [
        make_span(make_tag("critical", key="retriever-down")), make_span(make_tag("warning", key="slow-answers")),
    ]  # fmt: skip
    with company.router() as router:
        router.post(make_request(*spans, **{"deployment.environment.name": "staging"})).raise_for_status()
        wait_until(lambda: len(router.get("decisions")) >= 2, "both are decided")
        router.move(30)
        wait_until(lambda: company.chat.calls, "the message arrives")
        router.move(24 * HOUR)
        wait_until(lambda: company.mail.mails, "the digest arrives")
        critical, warning = router.explain("retriever-down"), router.explain("slow-answers")
    assert "retriever-down" in texts(company.chat)[0]
    assert "slow-answers" in company.mail.mails[0].get_body(["plain"]).get_content()
    assert not company.pagers.calls
    assert "(tier channel)" in critical
    assert "(tier digest): told product" in warning
