"""A message that cannot be told as it is goes out without its particulars, and keeps no other from being told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from router_store import DELIVERED, KeepingNotifier, World, world_of
from router_values import make_alert, make_config
from sqlalchemy import select
from starlette.testclient import TestClient

from llmtrace.router.app import build_web
from llmtrace.router.dispatcher import Dispatcher
from llmtrace.router.model import Annotation, Outcome, Receipt
from llmtrace.router.store.schema import audit
from llmtrace.router.web.intake import Door

if TYPE_CHECKING:
    from llmtrace.router.model import Delivery

REFUSED = Receipt(Outcome.REFUSED, "HTTP 400")
RULES = """
    version: 1
    store: sqlite:///router.db
    receivers: {hook: {webhook: {url: "http://127.0.0.1:9099/hook", allow_private: true}}}
    routes: [{tier: page, matchers: ['severity="critical"'], receivers: [hook]}, {tier: channel, receivers: [hook]}]
"""
POISON = "what nobody can render"


class PickyNotifier(KeepingNotifier):
    """Fails at any alert that says more than it must; keeps what it could tell."""

    fault: type[Exception] = ArithmeticError

    async def send(self, delivery: Delivery) -> Receipt:
        if any(POISON in alert.annotations.values() for alert in delivery.notification.alerts):
            raise self.fault(POISON)
        return await super().send(delivery)


@pytest.fixture
def world(tmp_path):
    """A router whose one receiver cannot tell everything."""
    with world_of(make_config(tmp_path, RULES)) as made:
        made.notifiers = {destination: PickyNotifier() for destination in made.notifiers}
        yield made


def bad(name: str = "bad") -> object:
    """An alert that cannot be rendered."""
    return make_alert(annotations={"note": POISON}, alertname=name)


def told(world: World) -> dict[str, str]:
    """Name -> reason of all that arrived."""
    sent = [each for notifier in world.notifiers.values() for each in notifier.notifications]
    return {alert.name: alert.annotations.get(Annotation.REASON, "") for each in sent for alert in each.alerts}


def states(world: World) -> set[object]:
    """Of all deliveries."""
    return {row["state"] for row in world.records.deliveries(10, None)}


def test_a_page_that_cannot_be_rendered_goes_out_plain(world, caplog):
    """With its name, severity and incident, at the first attempt; the others as ever. Nothing of its text is logged."""
    world.accept(make_alert(alertname="before"), bad(), make_alert(alertname="after"))
    world.turn()
    reasons = told(world)
    assert set(reasons) == {"before", "bad", "after"}
    assert "ArithmeticError in send" in reasons["bad"]
    (plain,) = [each for notifier in world.notifiers.values() for each in notifier.notifications
                if each.alerts[0].name == "bad"]  # fmt: skip
    assert (plain.severity, plain.incident_id is not None) == ("critical", True)
    assert states(world) == {Outcome.DELIVERED}
    assert caplog.text.count("is told without its particulars") == 1
    assert POISON not in caplog.text


def test_what_was_told_plain_is_counted_and_audited(world):
    """In the metrics, in health, and in the audit trail with its reason."""
    world.accept(bad())
    world.turn()
    web = build_web(world.config, Door(None, world.clock), world.records, world.counter(), lambda: None, None)
    with TestClient(web, base_url="http://127.0.0.1") as client:
        assert 'llmtrace_router_set_aside{kind="delivery"} 1' in client.get("/metrics").text
        assert client.get("/healthz").json() == {"status": "ok", "set_aside": {"delivery": 1}}
    with world._database.read() as connection:
        bodies = list(connection.scalars(select(audit.c.body).where(audit.c.kind == "set_aside")))
    assert len(bodies) == 1
    assert "ArithmeticError" in bodies[0]


@pytest.mark.parametrize(
    ("severity", "answers", "state", "sent"),
    [
        pytest.param("critical", [REFUSED], Outcome.DELIVERED, 2, id="taken-plain"),
        pytest.param("critical", [REFUSED, REFUSED], Outcome.REFUSED, 2, id="refused-plain"),
        pytest.param("critical", [REFUSED, RuntimeError()], Outcome.REFUSED, 2, id="a-fault-of-ours"),
        pytest.param("warning", [REFUSED], Outcome.REFUSED, 1, id="no-page"),
    ],
)
def test_a_page_that_its_destination_refuses_is_tried_plain_once(world, severity, answers, state, sent):
    """What it does not like may be a particular. If it is not, the refusal stands; what is no page is not repeated."""
    (notifier,) = world.notifiers.values()
    notifier.receipts = list(answers)
    world.accept(make_alert(severity, {Annotation.REASON: "all of it"}, alertname="one"))
    world.turn()
    world.turn(minutes=10)
    assert states(world) == {state}
    assert len(notifier.deliveries) == sent
    assert ("HTTP 400" in told(world)["one"]) is (sent == 2)
    assert world.records.set_aside() == ({"delivery": 1} if state is Outcome.DELIVERED else {})


def test_a_fault_of_the_surroundings_costs_no_particulars(world, caplog):
    """Too many open files, say: it is tried again as it is, and nothing is set aside."""
    for notifier in world.notifiers.values():
        notifier.receipts.append(OSError("too many open files"))
    world.accept(make_alert(annotations={Annotation.REASON: "all of it"}, alertname="one"))
    world.turn()
    assert states(world) == {"pending"}
    world.turn(minutes=1)
    assert told(world) == {"one": "all of it"}
    assert world.records.set_aside() == {}
    assert "too many open files" not in caplog.text


def test_an_enrichment_that_fails_costs_only_what_it_adds(world):
    """The message goes as it came."""

    class Failing:
        async def enrich(self, _delivery):
            raise ZeroDivisionError

    async def scenario() -> None:
        dispatcher = Dispatcher(world.config, world.store, world.notifiers, world.clock, lambda: 1.0)
        dispatcher.enricher = Failing()
        await dispatcher.turn()
        await asyncio.gather(*(task for _, task in dispatcher._under_way.values()))

    world.accept(make_alert(annotations={Annotation.REASON: "all of it"}, alertname="one"))
    asyncio.run(scenario())
    assert told(world) == {"one": "all of it"}


def test_a_receipt_that_cannot_be_settled_leaves_no_delivery_under_way(world):
    """Else nobody would ever try it again."""

    class Odd(KeepingNotifier):
        async def send(self, delivery):
            await super().send(delivery)
            return DELIVERED if len(self.deliveries) > 1 else "no receipt at all"

    world.notifiers = {destination: Odd() for destination in world.notifiers}
    world.accept(make_alert(alertname="one"))
    world.turn()
    world.turn(minutes=1)
    assert states(world) == {Outcome.DELIVERED}


def test_pruning_that_fails_keeps_nobody_from_being_told(world, monkeypatch):
    """What is over and old can wait."""

    async def scenario() -> Dispatcher:
        dispatcher = Dispatcher(world.config, world.store, world.notifiers, world.clock, lambda: 1.0)
        for name in ("one", "two", "three"):
            world.accept(make_alert(alertname=name))
            world.clock.move(minutes=20)
            await dispatcher._guarded_turn()
            await asyncio.gather(*(task for _, task in dispatcher._under_way.values()))
        return dispatcher

    def failing(*_):
        raise ArithmeticError

    monkeypatch.setattr(world.store, "prune", failing)
    assert asyncio.run(scenario()).error is None
    assert set(told(world)) == {"one", "two", "three"}
