"""A provider's outage, from a real application to the real router: few spans, the right count, one page."""

from __future__ import annotations

import re
import textwrap
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from router_process import RouterProcess
from waiting import wait_until
from webhook_receiver import WebhookReceiver

import llmtrace
from llmtrace._stats import stats

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ("core_fixtures",)

RULES = """
    version: 1
    receivers: {{pager: {{webhook: {{url: "{url}", allow_private: true}}}}}}
    routes:
      - {{matchers: ['severity="critical"'], tier: page, group_interval: 1s, receivers: [pager]}}
      - {{tier: digest}}
"""
STORM = 1_000


class APIConnectionError(Exception):
    """As a provider's SDK raises it."""


def failing_request(number: int) -> None:
    """One request of the application, while the provider is down."""
    with suppress(APIConnectionError), llmtrace.llm_span("gpt-4o", f"secret question {number}"):
        raise APIConnectionError(f"connection refused, request {number}")


def count_of(alert: dict) -> int:
    """How many occurrences an alert stands for."""
    return int(alert["annotations"].get("count", "1"))


@pytest.fixture
def receiver():
    """A webhook receiver that checks the format."""
    with WebhookReceiver() as listening:
        yield listening


@pytest.mark.parametrize("sampling", ["production", pytest.param("development", marks=pytest.mark.full)])
def test_an_outage_of_a_provider_is_one_page(start, tmp_path: Path, receiver: WebhookReceiver, sampling: str):
    """A thousand failures in eight threads: at most five spans leave, their counts add up, one page says so."""
    file = tmp_path / "alerts.yaml"
    file.write_text(textwrap.dedent(RULES.format(url=receiver.url)))
    rule = llmtrace.HintRule(
        "provider-down", "exception", "critical", exceptions=["APIConnectionError"], team="platform"
    )
    with RouterProcess(file) as router:
        start(alerts=str(router.client.base_url), hints=[rule], sampling=sampling, metrics="alerts")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(failing_request, range(STORM)))
        assert llmtrace.shutdown(10)
        sent = stats.snapshot()["alerts.sent"]
        wait_until(lambda: receiver.accepted, "the page arrives")
        wait_until(lambda: len(router.get("alerts")) == sent, "all that left is stored")
        alerts, decisions = router.get("alerts"), router.get("decisions")
        output = router.errors
    assert 2 <= sent <= 5
    assert sum(count_of(alert) for alert in alerts) == STORM
    assert {alert["labels"]["alertname"] for alert in alerts} == {"provider-down"}
    assert len(receiver.accepted) == 1
    (page,) = receiver.accepted
    assert page.body["alerts"][0]["labels"]["source"] == "rule:provider-down"
    assert page.body["alerts"][0]["labels"]["team"] == "platform"
    assert page.body["commonAnnotations"]["reason"].endswith("APIConnectionError")
    assert [decision["reason"] for decision in decisions if decision["reason"] != "deduplicated"] == ["new"]
    stored = b"".join(part.read_bytes() for part in tmp_path.glob("router.db*"))
    assert not re.search(rb"secret question|connection refused", stored)
    assert output == ""
