"""What a turn cannot get past is found by trial, set aside, and told by what stands in for it; all else goes on."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest
from router_store import World, told, turns, world_of
from router_values import make_alert, make_config
from sqlalchemy.exc import IntegrityError, OperationalError

from llmtrace.router import decide
from llmtrace.router.model import Alert, Attempt, Outcome, Receipt
from llmtrace.router.ports import StoreError, UnfitError
from llmtrace.router.store import incidents, outbox, telling
from llmtrace.router.store.aside import culprits

if TYPE_CHECKING:
    from collections.abc import Iterator

ESCALATING = """
    version: 1
    store: {store}
    receivers:
      hook: {{webhook: {{url: "http://127.0.0.1:9099/hook", allow_private: true}}}}
      boss: {{console: {{}}}}
    routes:
      - tier: page
        matchers: ['severity="critical"']
        receivers: [hook]
        escalate: [{{after: 15m, receivers: [boss]}}]
"""


@pytest.fixture
def world(tmp_path, store_url):
    """A router with an escalation, on each kind of store."""
    with world_of(make_config(tmp_path, ESCALATING.format(store=store_url))) as made:
        yield made


def reasons(world: World) -> list[str]:
    """What stood in for something said."""
    sent = [each for notifier in world.notifiers.values() for each in notifier.notifications]
    every = [alert.annotations.get("reason", "") for each in sent for alert in each.alerts]
    return [each for each in every if "set it aside" in each or "told as this one" in each]


def test_an_incident_that_cannot_be_escalated_stops_no_other(world, monkeypatch, caplog):
    """Somebody hears of it by an alert with its labels, the other one's next step is taken, and it is not tried on."""
    take = incidents._take

    def failing(connection, row, *others):
        if "bad" in row.group_key:
            raise ZeroDivisionError("what a sender wrote")
        take(connection, row, *others)

    monkeypatch.setattr(incidents, "_take", failing)
    world.accept(make_alert(alertname="bad"), make_alert(alertname="good"))
    assert turns(world).error is None
    assert [each.alerts[0].name for each in world.sent("boss")] == ["good"]
    assert len(reasons(world)) == 1
    assert "'bad'" in reasons(world)[0] or "bad" in told(world)
    assert world.records.set_aside() == {"incident": 1}
    assert caplog.text.count("set aside, and told") == 1
    assert "what a sender wrote" not in caplog.text


def test_a_group_that_cannot_be_told_stops_no_other(world, monkeypatch):
    """A fault while its message is made is its own, also of an alert that came in this very turn."""
    message = telling.Telling._message

    def failing(self, row):
        if '"bad"' in row.key:
            raise LookupError
        return message(self, row)

    monkeypatch.setattr(telling.Telling, "_message", failing)
    world.accept(make_alert(alertname="one"), make_alert(alertname="bad"), make_alert(alertname="two"))
    assert turns(world).error is None
    assert {"one", "two"} <= set(told(world))
    assert any("'bad'" in each for each in reasons(world))
    assert world.store.undecided == 0


def test_a_receipt_that_cannot_be_written_stops_no_other(world, monkeypatch):
    """It is written without what the destination said, so that the delivery is not made again."""
    record = outbox._attempt

    def failing(attempt: Attempt) -> dict[str, object]:
        if attempt.receipt.detail == "odd":
            raise UnicodeEncodeError("utf-8", "", 0, 1, "surrogates")
        return record(attempt)

    monkeypatch.setattr(outbox, "_attempt", failing)
    (hook,) = [each for to, each in world.notifiers.items() if to.receiver == "hook"]
    hook.receipts.append(Receipt(Outcome.DELIVERED, "odd"))
    world.accept(make_alert(alertname="one"), make_alert(alertname="two"))
    assert turns(world, 3).error is None
    rows = [each for each in world.records.deliveries(10, None) if each["receiver"] == "hook"]
    assert {row["state"] for row in rows} == {"delivered"}
    assert "UnicodeEncodeError" in {row["detail"] for row in rows}
    assert len(hook.deliveries) == 2
    assert world.records.set_aside() == {"receipt": 1}


@pytest.mark.parametrize("at", [3, 499])
def test_the_one_at_fault_is_found_wherever_it_stands(world, monkeypatch, at):
    """Among all alerts that a turn takes, not only among the first ones."""
    place = decide.place

    def failing(alert: Alert, config: object) -> object:
        if "poison" in alert.annotations:
            raise ArithmeticError
        return place(alert, config)

    monkeypatch.setattr(decide, "place", failing)
    alerts = [make_alert(alertname=f"a{n}", annotations={"poison": ""} if n == at else {}) for n in range(500)]
    world.accept(*alerts)
    assert turns(world, 2).error is None
    assert world.store.undecided == 0
    assert world.records.set_aside() == {"alert": 1}


def test_what_cannot_be_looked_for_is_said_once(world, monkeypatch, caplog):
    """A fault of the search itself is no secret, and no reason to fill the log."""

    def failing(*_: object) -> None:
        raise RecursionError

    monkeypatch.setattr(world.store, "advance", failing)
    monkeypatch.setattr(world.store, "set_aside", failing)
    assert turns(world).error is not None
    assert caplog.text.count("what is at fault cannot be found: RecursionError") == 1


def test_a_database_that_fails_sets_nothing_aside(world, monkeypatch):
    """Locked, full or gone: all waits as it is, and is told when it is back."""
    advance = world.store.advance
    failures: Iterator[StoreError] = iter([StoreError("database is locked"), StoreError("database or disk is full")])

    def failing(*arguments: object) -> object:
        for failure in failures:
            raise failure
        return advance(*arguments)

    monkeypatch.setattr(world.store, "advance", failing)
    world.accept(make_alert(alertname="one"))
    assert turns(world, 2).error is not None
    assert turns(world, 2).error is None
    assert set(told(world)) == {"one"}
    assert world.records.set_aside() == {}


def test_a_value_that_the_database_refuses_is_no_failure_of_the_database(world):
    """The two are told apart, on each kind of store."""
    kinds = {}
    for error in (IntegrityError, OperationalError):
        with pytest.raises(StoreError) as raised, world._database.write():
            raise error("", (), sqlite3.Error("odd"))
        kinds[error] = type(raised.value)
    assert kinds == {IntegrityError: UnfitError, OperationalError: StoreError}


def test_one_among_many_is_found_by_few_trials():
    """By halving."""
    trials = 0

    def trial(items: object) -> Exception | None:
        nonlocal trials
        trials += 1
        return ValueError() if 700 in items else None

    assert [item for item, _ in culprits(range(1000), trial)] == [700]
    assert trials <= 22
