"""The destinations together, at the real router: one regulated alert, from its page to the person who ends it."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from contracts import HTML
from jira_server import Jira
from opsgenie_server import opsgenie
from router_process import RouterProcess
from slack_bot_server import CHANNEL, slack_bot
from splunk_oncall_server import splunk_oncall
from teams_server import teams
from test_router_teams import lines
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = """version: 1
receivers:
  on-call:
    splunk_oncall: {{api_key: "${{KEY}}", routing_key: llm, url: "{splunk.url}", allow_private: true}}
    jsm: {{api_key: "${{KEY}}", url: "{jsm.url}/jsm/v2/alerts", allow_private: true}}
  chat:
    slack_bot: {{token: "${{KEY}}", channel: {channel}, url: "{slack.url}/api", allow_private: true}}
    teams: {{webhook_url: "{teams.url}/${{KEY}}", allow_private: true}}
  legal:
    jira: {{url: "{jira.url}", user: bot@example.org, token: "${{KEY}}", project: LEGAL, allow_private: true}}
routes:
  - {{matchers: ['regulated="true"'], tier: page, receivers: [on-call, chat, legal]}}
  - {{tier: page, receivers: [on-call, chat]}}
"""
KEY = "k" * 32
ALERT = {
    "name": "refusals", "severity": "critical", "status": "firing", "regulated": True, "value": 0.4, "threshold": 0.1,
    "model": "gpt-x", "service": "bot", "reason": "the model refuses", "runbook_url": "https://runbooks.example.org/r",
}  # fmt: skip
FIRST_ATTEMPTS, DAY = 5, 86_400
wait = partial(wait_until, deadline=60)


class Everybody:
    """Loopback servers of all that have come to the router, and rules that tell each of them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        makers = {"splunk": splunk_oncall, "jsm": opsgenie, "slack": slack_bot, "teams": teams, "jira": Jira}
        self.at: dict[str, Any] = {name: stack.enter_context(make()) for name, make in makers.items()}
        self.file = folder / "alerts.yaml"
        self.file.write_text(RULES.format(channel=CHANNEL, **self.at))

    def router(self) -> RouterProcess:
        return RouterProcess(self.file, environ={"KEY": KEY}, moved=True)


@pytest.fixture
def everybody(tmp_path: Path) -> Iterator[Everybody]:
    """Servers that check what they get against the published formats."""
    with ExitStack() as stack:
        yield Everybody(tmp_path, stack)


def states(router: RouterProcess) -> list[str]:
    """Of all deliveries."""
    return [row["state"] for row in router.get("deliveries")]


def test_one_alert_from_the_page_to_its_end_over_a_crash(everybody):
    """Neither nonsense from Jira nor kill -9 loses anything; who reacts in Splunk On-Call is named everywhere."""
    at = everybody.at
    at["jira"].scripted.append((200, {}, HTML))
    with everybody.router() as router:
        assert router.client.post("/ingest/generic", json=ALERT).status_code == 202
        wait(lambda: states(router).count("delivered") == FIRST_ATTEMPTS - 1, "all but Jira have taken it")
        (pending,) = (row for row in router.get("deliveries") if row["state"] == "pending")
        assert (pending["notifier"], pending["detail"]) == ("jira", "HTTP 200, but not Jira's list of issues")
        router.process.send_signal(signal.SIGKILL)
        router.process.wait()
    with everybody.router() as router:
        router.move(5)
        wait(lambda: states(router).count("delivered") == FIRST_ATTEMPTS, "Jira has taken it too")
        acknowledge(router, at["splunk"].calls[0].body["entity_id"])
        wait(lambda: at["slack"].replies, "the thread has it")
        router.client.post("/ingest/generic", json={**ALERT, "status": "resolved"}).raise_for_status()
        router.move(DAY)
        assert at["jira"].issues[0]["status"] == "new"
        (incident,) = router.get("incidents")
        router.client.post(f"/api/v1/incidents/{incident['id']}/resolve", json={"by": "ada"}).raise_for_status()
        wait(lambda: at["jira"].issues[0]["status"] == "done" and len(at["slack"].replies) == 2, "it is over")
        wait(lambda: "pending" not in states(router), "everybody knows")
        assert KEY not in router.output + router.errors
    check_what_everybody_heard(at)


def acknowledge(router: RouterProcess, entity: str) -> None:
    """As Splunk On-Call says that somebody did."""
    said = {"STATE.CURRENT_ALERT_PHASE": "ACKED", "STATE.ENTITY_ID": entity, "STATE.ACK_USER": "mina"}
    assert router.client.post("/ingest/splunk_oncall", json=said).json() == {"acted": True}


def check_what_everybody_heard(at: dict[str, Any]) -> None:
    """One thing everywhere, with a beginning, who cared, and an end."""
    assert [call.body["message_type"] for call in at["splunk"].calls] == ["CRITICAL", "ACKNOWLEDGEMENT", "RECOVERY"]
    assert [alert["status"] for alert in at["jsm"].alerts.values()] == ["closed"]
    (root,) = at["slack"].roots.values()
    assert "RESOLVED" in root["text"]
    said = [reply["blocks"][0]["text"]["text"] for reply in at["slack"].replies]
    assert said == ["acknowledged by mina (Splunk On-Call)", "resolved by ada"]
    assert [lines(at["teams"], number)[1] for number in (1, 2)] == said
    (issue,) = at["jira"].issues
    assert len(issue["comments"]) == 1
