"""The one loop over a real store with the clock set by hand: who is told what, when, how often, and in which order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from router_store import World, world_of
from router_values import make_alert, make_config
from waiting import wait_until

from llmtrace.router.dispatcher import AT_ONCE, Dispatcher
from llmtrace.router.model import Outcome, Phase, Reason, Receipt
from llmtrace.router.ports import StoreError
from llmtrace.semconv.alert import Severity

RULES = """
    version: 1
    receivers: {pager: {console: {}}, ops: {console: {}}, both: {console: {}, webhook: {url: "https://example.org"}}}
    routes:
      - {matchers: ['service="both"'], tier: page, receivers: [both]}
      - {matchers: ['severity="critical"'], tier: page, receivers: [pager], group_by: [alertname]}
      - {matchers: ['severity="error"'], tier: channel, receivers: [ops], group_by: [service]}
"""
RETRY = Receipt(Outcome.RETRY, "HTTP 500")


@pytest.fixture
def config(tmp_path, store_url):
    """The rules above."""
    return make_config(tmp_path, f"{RULES}    store: {store_url}\n")


@pytest.fixture
def world(config):
    """Store, clock and notifiers for the rules above."""
    with world_of(config) as opened:
        yield opened


def only_notifier(world: World, receiver: str):
    """The notifier of a receiver that has one."""
    (found,) = (notifier for destination, notifier in world.notifiers.items() if destination.receiver == receiver)
    return found


def test_a_page_goes_out_at_once_and_a_duplicate_not_at_all(world: World):
    """The first occurrence pages in the same turn; later ones wait for repeat_interval."""
    world.accept(make_alert(), make_alert())
    world.turn()
    world.accept(make_alert())
    world.turn(minutes=5)
    (notification,) = world.sent("pager")
    assert (notification.reason, len(notification.alerts)) == (Reason.NEW, 1)
    world.accept(make_alert())
    world.turn(hours=4)
    assert [sent.reason for sent in world.sent("pager")] == [Reason.NEW, Reason.REPEATED]
    reasons = [row["reason"] for row in reversed(world.records.decisions(10, None))]
    assert reasons == ["new", "deduplicated", "deduplicated", "repeated"]


def test_group_wait_collects_and_group_interval_spaces(world: World):
    """Alerts of a group within group_wait are one notification, and the next comes group_interval after it."""
    world.accept(make_alert("error", alertname="a"))
    world.turn()
    world.accept(make_alert("error", alertname="b"))
    world.turn(seconds=29)
    assert world.sent("ops") == []
    world.turn(seconds=1)
    world.accept(make_alert("error", alertname="c"))
    world.turn(seconds=31)
    world.turn(seconds=268)
    (first,) = world.sent("ops")
    assert {alert.name for alert in first.alerts} == {"a", "b"}
    world.turn(seconds=1)
    assert [alert.name for alert in world.sent("ops")[1].alerts] == ["c"]
    assert [sent.sequence for sent in world.sent("ops")] == [1, 2]
    assert len({sent.dedup_key for sent in world.sent("ops")}) == 1
    assert len({sent.id for sent in world.sent("ops")}) == 2


def test_the_worst_of_a_group_speaks_for_it(world: World):
    """A rise while the group waits replaces the milder occurrence, and its reason is the notification's."""
    rules_alerts = [make_alert("info", service="both"), make_alert("critical", service="both")]
    world.accept(*rules_alerts)
    world.turn()
    for sent in world.sent("both"):
        assert [alert.severity for alert in sent.alerts] == [Severity.CRITICAL]
        assert sent.reason is Reason.SEVERITY_ROSE


def test_every_notifier_of_a_receiver_is_told(world: World):
    """A receiver of two notifiers gives two deliveries of one notification."""
    world.accept(make_alert(service="both"))
    world.turn()
    first, second = world.sent("both")
    assert first == second
    assert {row["notifier"] for row in world.records.deliveries(10, None)} == {"console", "webhook"}


def test_a_failed_delivery_is_made_again_later_with_the_same_id(world: World):
    """Waits double; the payload and its id stay the same; the receipt of the last attempt is kept."""
    notifier = only_notifier(world, "pager")
    notifier.receipts = [RETRY, OSError("a fault around us"), RETRY]
    world.accept(make_alert())
    world.turn()
    for pause, attempts in ((0.9, 1), (0.1, 2), (1.9, 2), (0.1, 3), (3.9, 3), (0.1, 4), (60, 4)):
        world.turn(seconds=pause)
        assert len(notifier.deliveries) == attempts
    assert len({notification.id for notification in notifier.notifications}) == 1
    (row,) = world.records.deliveries(10, None)
    assert (row["state"], row["attempts"], row["detail"]) == ("delivered", 4, "ok")


def test_retry_after_is_obeyed_when_it_is_longer(world: World):
    """A destination that asks for a minute is left alone for a minute."""
    notifier = only_notifier(world, "pager")
    notifier.receipts = [Receipt(Outcome.RETRY, "HTTP 429", timedelta(minutes=1))]
    world.accept(make_alert())
    world.turn()
    world.turn(seconds=59)
    assert len(notifier.deliveries) == 1
    world.turn(seconds=1)
    assert len(notifier.deliveries) == 2


@pytest.mark.parametrize(
    ("receipt", "state"), [(Receipt(Outcome.REFUSED, "HTTP 400"), "refused"), (Receipt(Outcome.RETRY, "x"), "gave_up")]
)
def test_a_delivery_ends_when_refused_or_too_old(world: World, receipt, state):
    """What is refused is tried plain once, and then no more; after three days a retry is not repeated either."""
    notifier = only_notifier(world, "pager")
    notifier.receipts = [receipt, receipt]
    world.accept(make_alert())
    world.turn()
    world.turn(days=3)
    world.turn(days=1)
    *_, first = world.records.deliveries(10, None)
    assert (first["phase"], first["state"]) == ("firing", state)
    firing = [sent for sent in notifier.notifications if sent.phase is Phase.FIRING]
    assert len(firing) == 2


def test_a_group_keeps_its_order_and_does_not_hold_up_others(world: World):
    """While a group's first message fails, its second waits behind it, and other groups go on."""
    notifier = only_notifier(world, "pager")
    notifier.receipts = [RETRY]
    world.accept(make_alert(alertname="a"))
    world.turn()
    world.clock.move(seconds=-1)  # the retry of "a" is due in 2 s
    world.accept(make_alert(alertname="a", model="other"), make_alert(alertname="b"))
    world.turn(seconds=1)
    assert [sent.group.labels["alertname"] for sent in notifier.notifications] == ["a", "b"]
    world.turn(minutes=2)
    assert [(sent.group.labels["alertname"], sent.sequence) for sent in notifier.notifications] == [
        ("a", 1), ("b", 1), ("a", 1), ("a", 2)
    ]  # fmt: skip


def test_a_destination_that_hangs_holds_up_no_other(tmp_path):
    """A bounded number of deliveries waits for it, and the rest of the world is told."""

    class Hanging:
        started = 0

        async def send(self, _delivery):
            self.started += 1
            await asyncio.Event().wait()

    async def scenario(world):
        dispatcher = Dispatcher(world.config, world.store, world.notifiers, world.clock, lambda: 1.0)
        running = asyncio.create_task(dispatcher.run())
        all_started = lambda: hanging.started == AT_ONCE and world.sent("ops")  # noqa: E731 - said once, here
        await asyncio.to_thread(wait_until, all_started, "both destinations are called")
        dispatcher.stop()
        await running

    hanging = Hanging()
    config = make_config(tmp_path, RULES.replace("tier: channel,", "tier: channel, group_wait: 0s,"))
    with world_of(config) as world:
        (pager,) = (destination for destination in world.notifiers if destination.receiver == "pager")
        world.notifiers[pager] = hanging
        world.accept(*(make_alert(alertname=f"a{number}") for number in range(50)), make_alert("error"))
        asyncio.run(scenario(world))
        states = [row["state"] for row in world.records.deliveries(100, None) if row["receiver"] == "pager"]
    assert states == ["pending"] * 50
    assert hanging.started == AT_ONCE


def test_the_loop_outlives_a_store_that_fails(config):
    """While the store fails health says so; when it works again, what waited is told."""

    class Failing:
        """The real store, out of order at first."""

        broken = True

        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            if self.broken and name == "advance":
                raise StoreError("disk full")
            return getattr(self._store, name)

    async def scenario(world, store):
        dispatcher = Dispatcher(world.config, store, world.notifiers, world.clock, lambda: 1.0)
        running = asyncio.create_task(dispatcher.run())
        await asyncio.to_thread(wait_until, lambda: dispatcher.error, "the fault is seen")
        assert dispatcher.error == "the store failed: disk full"
        store.broken = False
        await asyncio.to_thread(wait_until, lambda: world.sent("pager"), "the page goes out")
        assert dispatcher.error is None
        dispatcher.stop()
        await running

    with world_of(config) as world:
        world.accept(make_alert())
        asyncio.run(scenario(world, Failing(world.store)))


def test_a_storm_in_one_group_is_few_notifications(world: World):
    """Two thousand alerts of a group within its interval are told in one message, each alert in it."""
    world.accept(*(make_alert("error", alertname=f"a{number}") for number in range(2000)))
    world.turn()
    world.turn(seconds=30)
    (notification,) = world.sent("ops")
    assert len(notification.alerts) == 2000
