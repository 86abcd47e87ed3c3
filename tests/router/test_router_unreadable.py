"""What the store holds and cannot be read any more keeps nothing else from being told, and somebody hears of it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

import pytest
from router_store import World, told, turns, world_of
from router_values import make_alert, make_config
from sqlalchemy import select

from llmtrace.router.model import UNDECIDABLE, Act
from llmtrace.router.store import messages
from llmtrace.router.store.schema import audit, quarantine

ESCALATING = """
    version: 1
    store: sqlite:///router.db
    receivers: {hook: {webhook: {url: "http://127.0.0.1:9099/hook", allow_private: true}}, boss: {console: {}}}
    routes:
      - {tier: page, matchers: ['severity="critical"'], receivers: [hook], escalate: [{after: 15m, receivers: [boss]}]}
"""


@pytest.fixture
def world(tmp_path):
    """A router with an escalation, its store in a file."""
    with world_of(make_config(tmp_path, ESCALATING)) as made:
        yield made


def damage(world: World, statement: str, *values: object, inbox: bool = False) -> None:
    """Behind the router's back."""
    file = f"{world.config.store}.inbox" if inbox else str(world.config.store)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement, values)


def aside(world: World) -> dict[str, int]:
    """How much is set aside, by kind; the audit trail says as much."""
    with world._database.read() as connection:
        kinds = list(connection.scalars(select(quarantine.c.kind)))
        entries = list(connection.scalars(select(audit.c.body).where(audit.c.kind == "set_aside")))
    assert sorted(json.loads(each)["kind"] for each in entries) == sorted(kinds)
    return world.records.set_aside()


def reasons(world: World) -> str:
    """Of all that was told."""
    sent = [each for notifier in world.notifiers.values() for each in notifier.notifications]
    return "; ".join(alert.annotations.get("reason", "") for each in sent for alert in each.alerts)


@pytest.mark.parametrize(
    ("body", "names"),
    [
        pytest.param(b"\x00\xff nothing", {UNDECIDABLE}, id="no-json"),
        pytest.param(b'{"version":9}', {UNDECIDABLE}, id="another-shape"),
        pytest.param(b'[{"labels":{"alertname":"odd","severity":"critical"}}]', {"odd"}, id="another-version"),
        pytest.param(b'[{"labels":"none"},7,null]', {UNDECIDABLE}, id="no-alerts"),
        pytest.param(b"", {UNDECIDABLE}, id="empty"),
    ],
)
def test_an_entry_that_cannot_be_read_is_told_as_far_as_it_can_be(world, caplog, body, names):
    """Those before and behind it as ever; it is said once, without its text, and kept for whoever can read it."""
    for name in ("before", "damaged", "behind"):
        world.accept(make_alert(alertname=name))
    damage(world, "UPDATE inbox SET body = ? WHERE id = 2", body, inbox=True)
    assert turns(world).error is None
    assert set(told(world)) == {"before", "behind", *names}
    assert world.store.undecided == 0
    assert caplog.text.count("cannot be read") == 1
    assert aside(world) == {"inbox_entry": 1}
    with world._database.read() as connection:
        assert connection.scalar(select(quarantine.c.body)) == body


def test_a_restart_does_not_meet_it_again(tmp_path):
    """What was set aside is behind the mark up to which the inbox is decided."""
    config = make_config(tmp_path, ESCALATING)
    with world_of(config) as world:
        world.accept(make_alert(alertname="damaged"))
        damage(world, "UPDATE inbox SET body = ? WHERE id = 1", b"?", inbox=True)
        turns(world)
    with world_of(config, world.clock) as again:
        turns(again, 2)
        assert told(again) == {}
        assert aside(again) == {"inbox_entry": 1}


def test_one_alert_among_those_of_an_entry_costs_only_itself(world):
    """The others are told whole, and what is over stays over."""
    world.accept(make_alert(alertname="first"), make_alert(alertname="second"))
    with closing(sqlite3.connect(f"{world.config.store}.inbox")) as connection, connection:
        ((body,),) = connection.execute("SELECT body FROM inbox")
        alerts = json.loads(body)
        alerts[1]["starts_at"] = "the day before"
        connection.execute("UPDATE inbox SET body = ?", (json.dumps(alerts).encode(),))
    turns(world)
    assert told(world)["first"] is None
    assert "cannot read what else" in told(world)["second"]


@pytest.mark.parametrize("damaged", ["steps = '[{'", "receivers = '{]'", "state = 'odd'", "steps = '[{\"then\": 1}]'"])
def test_an_incident_that_cannot_be_read_is_told_as_one_that_escalates_no_further(world, damaged):
    """New alerts of its group are told, others too; the incident stays open, and a person can act on it."""
    world.accept(make_alert(alertname="one"))
    turns(world)
    damage(world, f"UPDATE incidents SET {damaged}")  # noqa: S608 - of this file
    world.accept(make_alert(alertname="one", service="other"), make_alert(alertname="two"))
    assert turns(world).error is None
    assert {"one", "two"} <= set(told(world))
    assert "escalates no further" in reasons(world)
    assert aside(world) == {"incident": 1}
    assert world.act(1, Act.ACKNOWLEDGE, "ann") in (True, False)
    assert world.act(1, Act.RESOLVE, "ann") is True


@pytest.mark.parametrize("damaged", ["labels = '{'", "annotations = '7'", "labels = '{\"alertname\": 3}'"])
def test_a_message_about_an_alert_that_cannot_be_read_goes_out(world, damaged):
    """With the others of its group whole; the page and the API show the rest."""
    world.accept(make_alert(alertname="one"))
    world.turn_store(world.config.destinations)
    damage(world, f"UPDATE alerts SET {damaged}")  # noqa: S608 - of this file
    assert turns(world).error is None
    assert len(told(world)) == 1
    assert world.shown().incidents(10, None, live=True).rows[0].worst is not None
    assert len(world.records.alerts(10, None)) >= 1
    assert world.records.explain("1") or damaged


def test_a_message_that_cannot_be_made_goes_out_by_what_its_row_says(world, monkeypatch):
    """A fault of ours at one message is found, and is none of those that are sent with it."""
    latest = messages.latest_of_each

    def failing(alerts):
        if any(alert.name == "bad" for alert in alerts):
            raise LookupError
        return latest(alerts)

    monkeypatch.setattr(messages, "latest_of_each", failing)
    world.accept(make_alert(alertname="one"), make_alert(alertname="bad"), make_alert(alertname="two"))
    assert turns(world, 2).error is None
    assert set(told(world)) == {"one", "bad", "two"}
    assert "cannot read what this is about" in (told(world)["bad"] or "")
    assert aside(world) == {"delivery": 1}


@pytest.mark.parametrize("damaged", ["tier = 'odd'", "phase = 'odd'", "reason = 'odd'"])
def test_a_word_that_another_version_wrote_keeps_no_message(world, damaged):
    """It is sent as what it most probably is."""
    world.accept(make_alert(alertname="one"))
    world.turn_store(world.config.destinations)
    damage(world, f"UPDATE notifications SET {damaged}")  # noqa: S608 - of this file
    assert turns(world).error is None
    assert set(told(world)) == {"one"}


def test_a_group_that_cannot_be_told_is_told_by_what_stands_in_for_it(world):
    """Its policy is damaged while it waits; the alert that says so bears its labels, and the next one goes its way."""
    world.accept(make_alert(alertname="one"))
    turns(world)
    world.accept(make_alert(alertname="one", service="other"), make_alert(alertname="two"))
    world.turn_store(world.config.destinations)
    damage(world, "UPDATE alert_groups SET policy = '{', due_at = 0 WHERE key LIKE '%other%'")
    turns(world, 2)
    assert turns(world, 1).error is None
    assert {"one", "two"} <= set(told(world))
    assert "has set it aside" in reasons(world)
    assert aside(world) == {"group": 1}


@pytest.mark.parametrize("damaged", ["severity = 'odd'", "status = 'odd'"])
def test_a_state_that_cannot_be_read_may_be_the_worst(world, damaged):
    """It fires, and is critical: so that nothing is held back by what nobody knows."""
    world.accept(make_alert(alertname="one"))
    turns(world)
    damage(world, f"UPDATE states SET {damaged}")  # noqa: S608 - of this file
    world.accept(make_alert(alertname="one"), make_alert(alertname="two"))
    assert turns(world, 1).error is not None  # it is found by this turn, and behind us by the next one
    assert turns(world, 1).error is None
    assert {"one", "two"} <= set(told(world))
    assert aside(world) == {"state": 1}


def test_a_silence_that_cannot_be_read_holds_nothing_back(world):
    """Better one message too many."""
    values = ("s", "[", 0, 2**60, "ann", "", 0)
    damage(world, "INSERT INTO silences VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
    world.accept(make_alert(alertname="one"))
    assert turns(world).error is None
    assert set(told(world)) == {"one"}


def test_the_store_of_an_older_router_gets_its_quarantine(tmp_path):
    """A table that is new is made where it is missing."""
    config = make_config(tmp_path, ESCALATING)
    with world_of(config) as world:
        pass
    damage(world, "DROP TABLE quarantine")
    with world_of(config, world.clock) as again:
        assert aside(again) == {}
