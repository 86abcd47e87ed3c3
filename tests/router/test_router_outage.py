"""What an outage or a clock must not cost: nothing is lost or doubled, and who is well is told at once."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outbound import Asked, Client, Said
from router_process import RouterProcess
from router_store import World, world_of
from router_values import NOON, ManualClock, make_alert, make_config
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.router.dispatcher import Dispatcher
from llmtrace.router.model import Delivery, Outcome, Receipt
from llmtrace.router.notifiers import http
from llmtrace.router.notifiers.pace import FAILURES, LONGEST_PAUSE

if TYPE_CHECKING:
    from pathlib import Path

OUTAGE = timedelta(minutes=10)
RULES = """
    version: 1
    receivers: {pager: {console: {}}, ops: {console: {}}, second: {console: {}}, third: {console: {}}}
    routes:
      - matchers: ['severity="critical"']
        tier: page
        receivers: [pager]
        group_by: [alertname]
        group_wait: 0s
        resolve_after: 30d
        escalate: [{after: 15m, receivers: [second]}, {after: 30m, receivers: [third]}]
      - {tier: channel, receivers: [ops], group_by: [alertname], group_wait: 30s, resolve_after: 30d}
"""


class Down:
    """A destination that does not answer for a while; keeps when it was called, and what it took when."""

    def __init__(self, clock: ManualClock, until: timedelta) -> None:
        self._clock, self._back = clock, NOON + until
        self.called: list[timedelta] = []
        self.took: dict[str, timedelta] = {}

    async def send(self, delivery: Delivery) -> Receipt:
        now = self._clock.now()
        self.called.append(now - NOON)
        if now < self._back:
            return Receipt(Outcome.RETRY, "ClientConnectorError")
        name = delivery.notification.alerts[0].name
        assert name not in self.took
        self.took[name] = now - NOON
        return Receipt(Outcome.DELIVERED, "ok")


async def run(world: World, minutes: int) -> None:
    """One dispatcher, five seconds at a time; each minute somebody is to be paged, and somebody else to be told."""
    dispatcher = Dispatcher(world.config, world.store, world.notifiers, world.clock, lambda: 1.0)
    for number in range(minutes * 12):
        if number % 12 == 0 and number < 120:
            world.accept(make_alert(alertname=f"page-{number}"), make_alert("error", alertname=f"word-{number}"))
        await dispatcher.turn()
        await asyncio.gather(*(task for _, task in dispatcher._under_way.values()))
        world.clock.move(seconds=5)
    await dispatcher.turn()


def test_a_destination_that_is_down_for_ten_minutes(tmp_path: Path) -> None:
    """Nothing is lost, nothing is doubled, it is left in peace meanwhile; others are told in time all along."""
    with world_of(make_config(tmp_path, RULES.replace("escalate:", "# escalate:"))) as world:
        down, well = Down(world.clock, OUTAGE), Down(world.clock, timedelta(0))
        for destination in world.notifiers:
            world.notifiers[destination] = down if destination.receiver == "pager" else well
        asyncio.run(run(world, 20))
        states = {row["state"] for row in world.records.deliveries(100, None)}
    every = range(0, 120, 12)
    assert states == {"delivered"}
    assert set(down.took) == {f"page-{number}" for number in every}
    assert max(down.took.values()) <= OUTAGE + LONGEST_PAUSE + timedelta(seconds=10)
    assert len([at for at in down.called if at < OUTAGE]) <= FAILURES + OUTAGE / timedelta(seconds=15)
    assert well.took == {f"word-{number}": timedelta(seconds=number * 5 + 30) for number in every}


@settings(max_examples=10)
@given(steps=st.lists(st.integers(-7_200, 7_200), max_size=8), failures=st.integers(0, 3))
def test_a_clock_that_is_set_neither_loses_nor_doubles_what_is_due(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], failures: int
) -> None:
    """However the clock is set forward and back: one page, one message, each step of the escalation once."""
    with world_of(make_config(tmp_path_factory.mktemp("clock"), RULES)) as world:
        for notifier in world.notifiers.values():
            notifier.receipts = [Receipt(Outcome.RETRY, "HTTP 500")] * failures
        world.accept(make_alert(), make_alert("error", alertname="word"))
        world.turn()
        latest = world.clock.now()
        for step in steps:
            world.turn(seconds=step)
            latest = max(latest, world.clock.now())
        world.turn(seconds=(latest - world.clock.now()).total_seconds())
        for _ in range(failures + 3):  # each retry waits for five minutes at most
            world.turn(hours=1)
        told = {each: world.sent(each) for each in ("pager", "ops", "second", "third")}
        states = [row["state"] for row in world.records.deliveries(100, None)]
    assert states == ["delivered"] * 4
    assert {receiver: len(sent) for receiver, sent in told.items()} == dict.fromkeys(told, failures + 1)
    assert all(len({each.id for each in sent}) == 1 for sent in told.values())


async def post_all(hosts: list[str], took: list[str]) -> list[Receipt]:
    """A message to each host at once, by real look-ups."""

    def answer(asked: Asked) -> Said:
        took.append(asked.headers["host"])
        return Said()

    async with Client(answer) as client:
        return await asyncio.gather(*(http.post(client, f"https://{host}/", b"{}", {}, NOON) for host in hosts))


def test_a_name_that_dns_does_not_answer_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty messages to a name that hangs take one thread of the look-ups; the others are told, these tried again."""
    hangs, asked, took = threading.Event(), [], []

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        if host == "hangs.example.org":
            hangs.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(http, "TIMEOUT", 1.0)

    async def scenario() -> list[Receipt]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(2))
        try:
            return await post_all(["hangs.example.org"] * 50 + ["well.example.org"], took)
        finally:
            hangs.set()

    *late, well = asyncio.run(scenario())
    assert set(late) == {Receipt(Outcome.RETRY, "no answer in 1 s")}
    assert well == Receipt(Outcome.DELIVERED, "HTTP 204")
    assert took == ["well.example.org"]
    assert asked.count("hangs.example.org") == 1


HOOKS = """
version: 1
external_url: http://router.example.org
receivers:
  first: {{webhook: {{url: "{url}", allow_private: true}}}}
  second: {{webhook: {{url: "{url}", allow_private: true}}}}
routes: [{{tier: page, receivers: [first], group_wait: 0s, escalate: [{{after: 15m, receivers: [second]}}]}}]
"""


@pytest.mark.full
def test_an_escalation_over_a_crash_comes_within_five_seconds(tmp_path: Path) -> None:
    """Killed in between and started again, by its own clock and real timers: at fifteen minutes, or so near."""
    file = tmp_path / "alerts.yaml"
    ahead = 15 * 60 - 12
    with WebhookReceiver() as receiver:
        file.write_text(HOOKS.format(url=receiver.url))
        with RouterProcess(file, moved=True) as router:
            router.client.post("/ingest/generic", json={"name": "a", "severity": "critical"}).raise_for_status()
            wait_until(lambda: router.get("deliveries") and receiver.accepted, "the first is told")
            router.move(ahead)
            router.kill()
        with RouterProcess(file, moved=True):
            wait_until(lambda: len(receiver.accepted) == 2, "the second is told", 60)
        first, second = receiver.accepted
    assert (first.body["receiver"], second.body["receiver"]) == ("first", "second")
    assert abs(second.at - first.at + ahead - 15 * 60) <= 5
