"""An alert at which deciding fails is told without its particulars, and keeps no other from being told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from router_store import told, turns, world_of
from router_values import MINIMAL, NOON, make_alert, make_config
from sqlalchemy import select

from llmtrace.router import decide
from llmtrace.router.model import UNDECIDABLE, Status
from llmtrace.router.store.schema import audit

BAD = make_alert(annotations={"poison": "x"}, alertname="bad")


@pytest.fixture
def world(tmp_path, store_url):
    """A router with one receiver, on each kind of store."""
    with world_of(make_config(tmp_path, f"{MINIMAL}    store: {store_url}\n")) as made:
        yield made


@pytest.fixture
def fault(monkeypatch):
    """Deciding fails wherever this says so."""
    place, at = decide.place, []

    def failing(alert, config):
        if any(bad(alert) for bad in at):
            raise ArithmeticError
        return place(alert, config)

    monkeypatch.setattr(decide, "place", failing)
    return at


def test_a_fault_in_an_alert_costs_only_its_particulars(world, fault, caplog):
    """It is told by its own labels, the others as ever; the log and the audit trail say what was wrong."""
    fault.append(lambda alert: "poison" in alert.annotations)
    world.accept(make_alert(alertname="before"), BAD)
    world.accept(make_alert(alertname="after"))
    assert turns(world).error is None
    reasons = told(world)
    assert set(reasons) == {"before", "bad", "after"}
    assert "ArithmeticError" in reasons["bad"]
    assert "bad" in caplog.text
    assert world.store.undecided == 0
    assert sorted(row["labels"]["alertname"] for row in world.records.alerts(10, None)) == ["after", "bad", "before"]
    with world._database.read() as connection:
        assert "set_aside" in set(connection.scalars(select(audit.c.kind)))


def test_a_fault_in_its_labels_is_told_under_another_name(world, fault):
    """Where not even its labels can be decided, the router says so by an alert of its own."""
    fault.append(lambda alert: alert.name == "bad")
    world.accept(make_alert(alertname="bad"), make_alert(alertname="good"))
    turns(world)
    assert set(told(world)) == {UNDECIDABLE, "good"}
    assert "'bad'" in told(world)[UNDECIDABLE]


def test_a_fault_that_meets_every_alert_costs_none(world, fault):
    """It is ours: nothing is set aside, it is tried again, and all is told when it is mended."""
    fault.append(lambda _alert: True)
    world.accept(make_alert(alertname="one"), make_alert(alertname="two"))
    assert turns(world).error is not None
    assert world.store.undecided == 2
    fault.clear()
    turns(world)
    assert told(world) == {"one": told(world)["one"], "two": told(world)["two"]}
    assert not any(name == UNDECIDABLE for name in told(world))


def test_word_that_it_is_over_stays_word_that_it_is_over(world, fault):
    """What stands in for the end of an alert ends it."""
    world.accept(make_alert(alertname="bad"))
    turns(world)
    fault.append(lambda alert: "poison" in alert.annotations)
    world.accept(replace(BAD, status=Status.RESOLVED, ends_at=NOON))
    turns(world)
    phases = [each.phase for notifier in world.notifiers.values() for each in notifier.notifications]
    assert "resolved" in {str(phase) for phase in phases}
