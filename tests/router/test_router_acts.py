"""What people do over HTTP: acknowledge by API, signed link and PagerDuty; resolve; silence. Each says who it was."""

from __future__ import annotations

import hmac
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_store import World, no_reload, world_of
from router_values import MINIMAL, NOON, make_alert, make_config
from starlette.testclient import TestClient

from llmtrace.router.app import build_web
from llmtrace.router.model import Reason
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.web.intake import Door
from llmtrace.router.web.links import LIFETIME
from llmtrace.router.web.reactions import TOOLS, opsgenie

SECRET = "pd-secret-0123456789"


class Desk:
    """A world with its web side, and one incident."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.inbox = GroupCommit(lambda alerts: world.accept(*alerts), lambda: None)
        app = build_web(
            world.config, Door(self.inbox, world.clock), world.records, world.counter(), lambda: None, no_reload
        )
        self.client = TestClient(app, base_url="http://127.0.0.1:4319")
        world.accept(make_alert())
        world.turn()

    @property
    def incident(self):
        return self.world.records.incidents(1, None)[0]


@pytest.fixture
def desk(tmp_path):
    """The smallest rules, with PagerDuty's webhook signed."""
    more = f"    intake: {{pagerduty: {{auth: {{hmac: {{scheme: pagerduty, secrets: [{SECRET}]}}}}}}}}\n"
    with world_of(make_config(tmp_path, MINIMAL + more)) as world:
        opened = Desk(world)
        with opened.inbox:
            yield opened


def test_the_api_acknowledges_and_resolves(desk):
    """The answer says whether anything changed; the incident says who."""
    path = f"/api/v1/incidents/{desk.incident['id']}"
    for changed in (True, False):
        answer = desk.client.post(f"{path}/acknowledge", json={"by": "mina"})
        assert (answer.status_code, answer.json()["changed"]) == (200, changed)
    assert (desk.incident["state"], desk.incident["acknowledged_by"]) == ("acknowledged", "mina")
    assert desk.client.post(f"{path}/resolve", json={"by": "max"}).json()["changed"] is True
    desk.world.turn()
    assert desk.world.sent("hook")[-1].reason is Reason.BY_PERSON
    assert desk.incident["resolved_by"] == "max"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("1/explode", {"by": "a"}, 404), ("99/resolve", {"by": "a"}, 404), (f"{10**23}/resolve", {"by": "a"}, 404),
        ("1/resolve", {}, 400), ("1/resolve", {"by": ""}, 400), ("1/resolve", {"by": "a", "x": 1}, 400),
        ("1/resolve", [], 400),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_words(desk, path, body, status):
    """Nothing changes, and the answer says why."""
    answer = desk.client.post(f"/api/v1/incidents/{path}", json=body)
    assert (answer.status_code, bool(answer.json()["error"])) == (status, True)
    assert desk.incident["state"] == "open"


def test_a_signed_link_asks_and_then_acknowledges(desk):
    """Opening it changes nothing, for programs open links too; the button does."""
    link = desk.world.counter().links.acknowledge(desk.incident["id"]).removeprefix("http://router")
    assert "acknowledge" in desk.client.get(link).text
    assert desk.incident["state"] == "open"
    assert desk.client.post(link, data={"by": "mina"}).status_code == 200
    assert (desk.incident["state"], desk.incident["acknowledged_by"]) == ("acknowledged", "mina")


def test_a_link_that_was_changed_or_is_old_opens_nothing(desk):
    """Another incident, another time, another signature and an old link are 403."""
    link = desk.world.counter().links.acknowledge(desk.incident["id"]).removeprefix("http://router")
    for wrong in (link.replace("/ack/1", "/ack/2"), link + "0", link.replace("expires=1", "expires=2"), "/ack/1"):
        assert desk.client.post(wrong).status_code == 403
    desk.world.clock.move(seconds=LIFETIME.total_seconds())
    assert desk.client.post(link).status_code == 403
    assert desk.incident["state"] == "open"


def pagerduty_says(desk, event: str, agent="user_reference", key=None, secret=SECRET):
    """PagerDuty's webhook, version 3."""
    data = {"id": "Q1", "type": "incident", "incident_key": key or desk.incident["dedup_key"]}
    who = None if agent is None else {"type": agent, "summary": "Mina"}
    body = json.dumps({"event": {"event_type": event, "agent": who, "data": data}}).encode()
    signature = "v1=" + hmac.new(secret.encode(), body, "sha256").hexdigest()
    return desk.client.post("/ingest/pagerduty", content=body, headers={"x-pagerduty-signature": signature})


def test_pagerduty_tells_who_reacted_there(desk):
    """What a person did there counts; what no person did, another key and a bad signature do not."""
    for arguments in ({"agent": None}, {"agent": "service_reference"}, {"key": "unknown"}):
        assert pagerduty_says(desk, "incident.acknowledged", **arguments).json() == {"acted": False}
    assert pagerduty_says(desk, "incident.acknowledged", secret="x" * 20).status_code == 401
    assert desk.incident["state"] == "open"
    assert pagerduty_says(desk, "incident.acknowledged").json() == {"acted": True}
    assert desk.incident["acknowledged_by"] == "Mina (PagerDuty)"
    assert pagerduty_says(desk, "incident.resolved").json() == {"acted": True}
    assert desk.incident["state"] == "resolved"


def opsgenie_says(desk, act: str, kind="web", alias=None, at=NOON):
    """The outgoing webhook of Opsgenie and Jira Service Management, as published."""
    alert = {"alertId": "052652ac", "alias": alias or desk.incident["dedup_key"], "username": "mina@example.org",
             "updatedAt": int(at.timestamp()) * 1_000_000_000, "tags": [], "message": "m", "source": "s"}  # fmt: skip
    body = {"source": {"name": "", "type": kind}, "alert": alert, "action": act, "integrationName": "llmtrace"}
    return desk.client.post("/ingest/opsgenie", json=body)


def splunk_says(desk, phase: str, who="mina", key=None, at=NOON):
    """Splunk On-Call's outgoing webhook with the payload that it proposes."""
    stamp = int(at.timestamp()) * 1_000
    body = {"STATE.CURRENT_ALERT_PHASE": phase, "STATE.ENTITY_ID": key or desk.incident["dedup_key"],
            "ALERT.message_type": "CRITICAL", "STATE.ACK_USER": who, "STATE.ACK_TIMESTAMP": stamp,
            "STATE.RESOLVED_BY": who, "STATE.RESOLVED_AT": stamp, "STATE.LAST_TIMESTAMP": stamp}  # fmt: skip
    return desk.client.post("/ingest/splunk_oncall", json=body)


@pytest.mark.parametrize(
    ("says", "words", "by_program", "who"),
    [(opsgenie_says, ("Acknowledge", "Close"), {"kind": "API"}, "mina@example.org (Opsgenie)"),
     (splunk_says, ("ACKED", "RESOLVED"), {"who": "SYSTEM"}, "mina (Splunk On-Call)")],
)  # fmt: skip
def test_other_tools_tell_who_reacted_there(desk, says, words, by_program, who):
    """Acknowledged and closed there is so here, with who it was; programs, other keys and old events do nothing."""
    acknowledge, resolve = words
    for arguments in (by_program, {"at": NOON - timedelta(hours=1)}):
        assert says(desk, acknowledge, **arguments).json() == {"acted": False}
    assert says(desk, "AddNote").json() == {"acted": False}
    assert desk.incident["state"] == "open"
    assert says(desk, acknowledge).json() == {"acted": True}
    assert (desk.incident["state"], desk.incident["acknowledged_by"]) == ("acknowledged", who)
    assert says(desk, resolve).json() == {"acted": True}
    assert (desk.incident["state"], desk.incident["resolved_by"]) == ("resolved", who)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("body", [[], {}, {"alert": 1, "action": "Close"}, {"STATE.CURRENT_ALERT_PHASE": "ACKED"}, 7])
def test_a_webhook_that_says_nothing_of_ours_does_nothing(tool, body):
    """Any JSON is read, and no shape of it breaks the reading; nothing that has no key is acted on."""
    done = TOOLS[tool][1](body, NOON)
    assert done is None or done.key == ""


@given(st.one_of(st.none(), st.text(max_size=9), st.floats(), st.integers(), st.lists(st.none(), max_size=1)))
def test_any_time_can_be_read(value):
    """Seconds, thousandths, billionths or nonsense: a moment comes out, or the present."""
    said = {"action": "Close", "alert": {"alias": "a", "updatedAt": value}}
    assert opsgenie(said, NOON).at.tzinfo is not None


def test_a_silence_holds_until_it_ends(desk):
    """What fires meanwhile is told when the silence ends, by time or by hand."""
    silence = {
        "matchers": ['service="shop"'], "ends_at": (NOON + timedelta(hours=1)).isoformat(), "created_by": "mina",
        "comment": "deploy",
    }  # fmt: skip
    first = desk.client.post("/api/v1/silences", json=silence)
    assert first.status_code == 201
    desk.world.accept(make_alert(service="shop"))
    desk.world.turn()
    assert len(desk.world.sent("hook")) == 1
    (decision, *_) = desk.world.records.decisions(1, None)
    assert (decision["reason"], decision["held_by"]) == ("silenced", first.json()["id"])
    assert desk.client.get("/api/v1/silences").json()["silences"][0]["comment"] == "deploy"
    assert desk.client.delete(f"/api/v1/silences/{first.json()['id']}?by=mina").status_code == 200
    assert desk.client.delete(f"/api/v1/silences/{first.json()['id']}").status_code == 404
    desk.world.turn(seconds=1)
    assert len(desk.world.sent("hook")) == 2


@pytest.mark.parametrize(
    "change",
    [{"matchers": []}, {"matchers": ["x"]}, {"ends_at": NOON.isoformat()}, {"ends_at": "soon"}, {"created_by": ""}],
)
def test_a_wrong_silence_is_refused(desk, change):
    """Matchers, an end in the future and a name are needed."""
    good = {"matchers": ['a="b"'], "ends_at": (NOON + timedelta(hours=1)).isoformat(), "created_by": "mina"}
    assert desk.client.post("/api/v1/silences", json=good | change).status_code == 400
