"""The real process, real OTLP in, a real webhook receiver: what was answered with 200 reaches it, whatever happens."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading
from random import Random
from typing import TYPE_CHECKING

import httpx
import pytest
from router_process import RouterProcess
from router_values import SPAN_ID, TRACE_ID, make_request, make_span, make_tag
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.semconv import trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = """
    version: 1
    external_url: http://localhost:4319
    receivers:
      pager: {{console: {{}}, webhook: {{url: "{url}", allow_private: true}}}}
    routes:
      - matchers: ['severity="critical"']
        tier: page
        group_wait: {wait}
        group_interval: 0s
        receivers: [pager]
      - tier: digest
"""


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A webhook receiver on a free port."""
    with WebhookReceiver() as listening:
        yield listening


def rules(folder: Path, url: str, wait: str = "0s") -> Path:
    """Write a file with one page route to this webhook and to the console."""
    file = folder / "alerts.yaml"
    file.write_text(textwrap.dedent(RULES.format(url=url, wait=wait)))
    return file


def test_a_critical_tag_becomes_one_page_that_says_everything(tmp_path: Path, receiver: WebhookReceiver):
    """A tagged span reaches the webhook and the console with what, how bad, model, service, environment and links."""
    tag = make_tag(reason="nothing found", key="retriever-down", runbook_url="https://runbooks.example.org/r")
    span = make_span(tag, **{trace.LLM_MODEL_NAME.replace(".", "__"): "gpt-x", "input__value": "a secret question"})
    with RouterProcess(rules(tmp_path, receiver.url)) as router:
        assert router.post(make_request(span)).status_code == 200
        wait_until(lambda: receiver.accepted, "the page arrives")
        wait_until(lambda: "runbook" in router.output, "the page is printed")
        wait_until(
            lambda: all(row["state"] == "delivered" for row in router.get("deliveries")), "the receipts are kept"
        )
        deliveries, decisions, alerts = (router.get(what) for what in ("deliveries", "decisions", "alerts"))

    body = receiver.accepted[0].body
    link = f"http://localhost:6006/redirects/traces/{TRACE_ID}"
    assert body["alerts"][0]["labels"] == {
        "alertname": "retriever-down", "severity": "critical", "service": "bot", "environment": "demo",
        "model": "gpt-x", "kind": "RETRIEVER", "source": "tag",
    }  # fmt: skip
    assert body["alerts"][0]["generatorURL"] == link
    annotations = body["commonAnnotations"]
    assert annotations["reason"] == "nothing found"
    assert annotations["runbook_url"] == "https://runbooks.example.org/r"
    assert (annotations["trace_id"], annotations["span_id"]) == (TRACE_ID, SPAN_ID)
    assert body["llmtrace"]["tier"] == "page"
    assert body["llmtrace"]["decision_id"] == decisions[0]["id"]
    for text in ("[page] CRITICAL retriever-down in bot", "nothing found", "gpt-x", "demo", link, "runbooks.example"):
        assert text in router.output
    assert {(row["notifier"], row["detail"]) for row in deliveries} == {("webhook", "HTTP 204"), ("console", "printed")}
    assert decisions[0]["reason"] == "new"
    assert alerts[0]["fingerprint"] == body["alerts"][0]["fingerprint"]
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("router.db*"))
    assert b"a secret question" not in stored


@pytest.mark.parametrize("end", [RouterProcess.kill, RouterProcess.stop])
def test_what_was_accepted_is_told_after_the_process_died(tmp_path: Path, receiver: WebhookReceiver, end):
    """An alert whose request was answered with 200 is delivered by the next process, after kill -9 as after SIGTERM."""
    file = rules(tmp_path, receiver.url, wait="2s")
    with RouterProcess(file) as router:
        assert router.post(make_request(make_span(make_tag(key="a")))).status_code == 200
        end(router)
    assert not receiver.received
    with RouterProcess(file):
        wait_until(lambda: receiver.accepted, "the page arrives after the restart")


def test_a_delivery_that_was_under_way_is_made_again_under_the_same_id(tmp_path: Path, receiver: WebhookReceiver):
    """A process that dies between a failed attempt and the next one leaves the delivery to its successor."""
    file = rules(tmp_path, receiver.url)
    receiver.scripted.append((500, {}))
    with RouterProcess(file) as router:
        router.post(make_request(make_span(make_tag(key="a"))))
        wait_until(lambda: receiver.received, "the first attempt is made")
        router.kill()
    with RouterProcess(file):
        wait_until(lambda: receiver.accepted, "the page arrives after the restart")
    first, last = receiver.received[0].body, receiver.accepted[0].body
    assert first == last


@pytest.mark.full
def test_nothing_accepted_is_lost_when_the_process_is_killed_again_and_again(tmp_path: Path, receiver: WebhookReceiver):
    """Under load, ended ten times with SIGKILL at any moment: whatever was answered with 200 is told in the end."""
    file = rules(tmp_path, receiver.url)
    random, accepted = Random(7), set()  # noqa: S311 - moments to die at, not secrets
    for life in range(10):
        with RouterProcess(file) as router:
            killer = threading.Timer(random.uniform(0.05, 0.6), router.kill)
            killer.start()
            for number in range(1000):
                try:
                    router.post(make_request(make_span(make_tag(key=f"{life}-{number}")))).raise_for_status()
                except httpx.TransportError:
                    break
                accepted.add(f"{life}-{number}")
            killer.join()
    with RouterProcess(file) as router:
        wait_until(lambda: accepted <= told(receiver), "all that was accepted is told", deadline=60)
        by_id: dict[str, set[bytes]] = {}
        for received in receiver.accepted:
            by_id.setdefault(received.body["llmtrace"]["decision_id"], set()).add(received.raw)
        assert all(len(bodies) == 1 for bodies in by_id.values())
    assert len(accepted) > 50


def told(receiver: WebhookReceiver) -> set[str]:
    """The names of all alerts that arrived."""
    return {alert["labels"]["alertname"] for received in receiver.accepted for alert in received.body["alerts"]}


def test_failures_are_retried_and_retry_after_is_obeyed(tmp_path: Path, receiver: WebhookReceiver):
    """After two 500s and a 429 with Retry-After: 2 the page arrives, not before these two seconds are over."""
    receiver.scripted.extend([(500, {}), (500, {}), (429, {"retry-after": "2"})])
    with RouterProcess(rules(tmp_path, receiver.url)) as router:
        router.post(make_request(make_span(make_tag(key="a"))))
        wait_until(lambda: receiver.accepted, "the page arrives")
        wait_until(lambda: {row["state"] for row in router.get("deliveries")} == {"delivered"}, "the receipt is kept")
        attempts = {row["notifier"]: row["attempts"] for row in router.get("deliveries")}
    assert [received.status for received in receiver.received] == [500, 500, 429, 204]
    assert receiver.received[3].at - receiver.received[2].at >= 2
    assert attempts["webhook"] == 4


def test_an_alert_that_repeats_notifies_once_and_again_when_it_gets_worse(tmp_path: Path, receiver: WebhookReceiver):
    """The same alert at the same severity is suppressed with a reason; more severe, it notifies again."""
    text = rules(tmp_path, receiver.url).read_text().replace('severity="critical"', 'severity=~"critical|error"')
    (tmp_path / "alerts.yaml").write_text(text)
    with RouterProcess(tmp_path / "alerts.yaml") as router:
        for count, severity in ((1, "error"), (1, "error"), (2, "critical"), (2, "error")):
            router.post(make_request(make_span(make_tag(severity, key="a"))))
            wait_until(lambda expected=count: len(receiver.accepted) == expected, f"{count} pages")
        wait_until(lambda: len(router.get("decisions")) == 4, "all are decided")
        reasons = [row["reason"] for row in reversed(router.get("decisions"))]
    assert reasons == ["new", "deduplicated", "severity_rose", "deduplicated"]
    assert len({received.body["llmtrace"]["dedup_key"] for received in receiver.accepted}) == 1
    assert len(receiver.accepted) == 2


def test_it_says_where_it_listens_and_ends_quietly(tmp_path: Path, receiver: WebhookReceiver):
    """One line on standard output when it is ready; Ctrl-C ends it with status 0 and not a word."""
    with RouterProcess(rules(tmp_path, receiver.url)) as router:
        assert (
            router.output == f"router: listening on {str(router.client.base_url).rstrip('/')} (alerts.yaml, 2 routes)\n"
        )
        assert router.client.get("/healthz").json() == {"status": "ok"}
        router.process.send_signal(signal.SIGINT)
        assert router.process.wait(15) == 0
        assert router.errors == ""


def test_an_address_in_use_is_one_line_and_status_2(tmp_path: Path, receiver: WebhookReceiver):
    """The router says which address is taken and what to do, on one line, without a traceback."""
    command = [sys.executable, "-m", "llmtrace", "router", "serve", "--config", rules(tmp_path, receiver.url)]
    ended = subprocess.run(
        [*command, "--listen", f"127.0.0.1:{receiver.port}"], capture_output=True, text=True, check=False, timeout=30
    )
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert f"127.0.0.1:{receiver.port} is in use" in ended.stderr
    assert "--listen" in ended.stderr
