"""A real Prometheus pushes to the router as to an Alertmanager, and a real Alertmanager sends it its webhook."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from prometheus import Gauge, alertmanager, prometheus
from router_process import RouterProcess
from waiting import wait_until
from webhook_receiver import WebhookReceiver

RULES = """
    version: 1
    receivers: {{pager: {{webhook: {{url: "{url}", allow_private: true}}}}, chat: {{console: {{}}}}}}
    routes:
      - {{matchers: ['severity="critical"'], tier: page, group_interval: 1s, receivers: [pager]}}
      - {{tier: channel, receivers: [chat]}}
"""
ALERTING = """
groups:
  - name: llm
    rules:
      - alert: SlowAnswers
        expr: answer_seconds > 10
        labels: {severity: critical, service: bot, model: gpt-x}
        annotations:
          summary: p95 of answers is {{ $value }} s
          value: "{{ $value }}"
          runbook_url: https://runbooks.example.org/slow
"""


@pytest.fixture
def receiver():
    """A webhook receiver that checks the format."""
    with WebhookReceiver() as listening:
        yield listening


@pytest.fixture
def router(tmp_path, receiver):
    """The real router with one page."""
    file = tmp_path / "alerts.yaml"
    file.write_text(RULES.format(url=receiver.url))
    with RouterProcess(file) as running:
        yield running


def test_a_real_prometheus_pages_by_the_router_and_ends_it(tmp_path, router, receiver):
    """An alerting rule fires at once: one page with value, runbook and link; when it holds no more, its end is told."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    address = f"{router.client.base_url.host}:{router.client.base_url.port}"
    with Gauge(12.5) as gauge, prometheus(folder, ALERTING, address, gauge.address):
        wait_until(lambda: receiver.accepted, "the page arrives", deadline=60)
        wait_until(lambda: len(router.get("alerts")) >= 2, "Prometheus repeats itself", deadline=60)
        assert len(receiver.accepted) == 1
        gauge.value = 1.0
        wait_until(lambda: len(receiver.accepted) == 2, "the end arrives", deadline=60)
    firing, resolved = (received.body for received in receiver.accepted)
    (alert,) = firing["alerts"]
    assert alert["labels"] == {
        "alertname": "SlowAnswers", "severity": "critical", "service": "bot", "model": "gpt-x",
        "instance": gauge.address, "job": "bot", "source": "alertmanager",
    }  # fmt: skip
    assert alert["annotations"]["reason"] == "p95 of answers is 12.5 s"
    assert alert["annotations"]["value"] == "12.5"
    assert "runbooks.example.org" in alert["annotations"]["runbook_url"]
    assert alert["generatorURL"].startswith("http")
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["llmtrace"]["dedup_key"] == resolved["llmtrace"]["dedup_key"]
    told = router.explain("SlowAnswers")
    assert "because its source says that it is over" in told


def test_a_real_alertmanager_sends_its_webhook(tmp_path, router, receiver):
    """What Alertmanager tells, firing and resolved, is told by our rules."""
    folder = tmp_path / "alertmanager"
    folder.mkdir()
    alert = {
        "labels": {"alertname": "Drift", "severity": "critical", "team": "legal-ai"},
        "annotations": {"summary": "x"},
    }
    with alertmanager(folder, str(router.client.base_url).rstrip("/") + "/ingest/alertmanager") as url:
        httpx.post(f"{url}/api/v2/alerts", json=[alert], trust_env=False).raise_for_status()
        wait_until(lambda: receiver.accepted, "the page arrives", deadline=30)
        over = alert | {"endsAt": (datetime.now(UTC) - timedelta(seconds=1)).isoformat()}
        httpx.post(f"{url}/api/v2/alerts", json=[over], trust_env=False).raise_for_status()
        wait_until(lambda: len(receiver.accepted) == 2, "the end arrives", deadline=30)
    assert [received.body["status"] for received in receiver.accepted] == ["firing", "resolved"]
    assert {tuple(each["labels"].items()) for received in receiver.accepted for each in received.body["alerts"]}
    assert receiver.accepted[0].body["alerts"][0]["labels"]["team"] == "legal-ai"
    assert "told pager, because it was new on this route" in router.explain("1")
