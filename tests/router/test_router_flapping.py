"""Flapping: what comes and goes is told a few times and then once it is steady; its last state is always told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_store import world_of
from router_values import NOON, make_alert, make_config

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.decide import Deciding
from llmtrace.router.model import Phase, Status
from llmtrace.router.store.turns import turn_of

RULES = """
    version: 1
    receivers: {ops: {console: {}}}
    tiers: {page: {group_interval: 0s, repeat_interval: 1d}}
    routes: [{tier: page, receivers: [ops]}]
"""
DAY = timedelta(days=1)


def fires(**labels: str):
    """Of a source with states."""
    return replace(make_alert(**labels), ends_at=NOON + 9 * DAY)


def over(**labels: str):
    """Word that it is over."""
    return replace(fires(**labels), status=Status.RESOLVED, ends_at=NOON)


def phases(world):
    """What was said, in order."""
    return [each.phase for each in world.sent("ops")]


def reasons(world):
    """Of all decisions, the oldest first."""
    return [str(row["reason"]) for row in reversed(world.records.decisions(1000, None))]


@pytest.fixture
def world(tmp_path, store_url):
    """The built-in values."""
    with world_of(make_config(tmp_path, f"{RULES}    store: {store_url}\n")) as opened:
        yield opened


def flap(world, times: int, **labels: str) -> None:
    """Fire and end, each for half a minute."""
    for _ in range(times):
        world.accept(fires(**labels))
        world.turn(seconds=30)
        world.accept(over(**labels))
        world.turn(seconds=30)


def test_what_flaps_is_said_to_flap(world):
    """Two pages with their ends; all else is decided, and explained."""
    flap(world, 5)
    assert phases(world) == [Phase.FIRING, Phase.RESOLVED] * 2
    assert reasons(world).count("flapping") == 3
    explained = "\n".join(world.records.explain("9"))
    assert "it comes and goes too often: it is told once it fires steadily" in explained
    assert "held by the damping of flapping alerts until 2026-11-20 12:14:30 UTC" in explained


def test_what_fires_steadily_is_told_after_all(world):
    """Ten minutes after its last beginning, though it is heard of again every minute."""
    flap(world, 3)
    world.accept(fires())
    world.turn()
    for _ in range(9):
        world.accept(fires())
        world.turn(minutes=1)
    assert phases(world) == [Phase.FIRING, Phase.RESOLVED] * 2
    world.turn(minutes=1)
    assert phases(world) == [Phase.FIRING, Phase.RESOLVED] * 2 + [Phase.FIRING]
    world.accept(over())
    world.turn(minutes=1)
    assert phases(world)[-1] is Phase.RESOLVED


def test_what_is_slow_is_not_flapping(world):
    """Twice an hour is no noise."""
    for _ in range(6):
        world.accept(fires())
        world.turn(minutes=20)
        world.accept(over())
        world.turn(minutes=20)
    assert phases(world).count(Phase.FIRING) == 6


def test_an_event_never_flaps_and_others_do_so_alone(world):
    """A tagged span is told as ever; so is another alert."""
    flap(world, 4)
    world.accept(fires(service="other"))
    world.turn()
    assert phases(world)[-1] is Phase.FIRING
    for _ in range(4):
        world.accept(make_alert(alertname="event"))
        world.turn()
        world.turn(minutes=61)
    assert sum(each.alerts[0].name == "event" and each.phase is Phase.FIRING for each in world.sent("ops")) == 4


def test_a_regulated_alert_is_told_each_time_a_person_has_ended_it(world):
    """It is never held for flapping."""
    for _ in range(4):
        world.accept(fires(regulated="true"))
        world.turn(seconds=30)
        (row,) = [each for each in world.records.incidents(9, None) if each["state"] == "open"]
        world.act(row["id"], "resolve", "mina")
        world.turn(seconds=30)
    assert phases(world).count(Phase.FIRING) == 4


def test_it_can_be_turned_off(tmp_path):
    """Then each beginning is told."""
    with world_of(make_config(tmp_path, RULES + "    flapping: {begins: 0}\n")) as world:
        flap(world, 5)
        assert phases(world).count(Phase.FIRING) == 5


class Route:
    """One route's memory, and what was told by it, as the store keeps them."""

    def __init__(self, config) -> None:
        self.config, self.now = config, NOON
        self.remembered, self.past, self.told = None, [], []
        self.held = None

    def state(self, route, _fingerprint):
        return self.remembered if route.startswith("/") else None

    def turns(self, _route, _fingerprint, since):
        return [turn for turn in self.past if turn.at >= since]

    def group(self, _key):
        return None

    def incident(self, _key):
        return None

    def silences(self):
        return ()

    def hear(self, alert) -> None:
        (decision,) = Deciding(self.config, self.now).decide(alert, self)
        turn = turn_of(decision.reason, self.now)
        self.past += [turn] if turn is not None else []
        self.remembered, self.held = decision.state, decision.hold.until if decision.hold else None
        if decision.notifies:
            self.told.append((alert.status, self.now))

    def go_on(self, seconds: int) -> None:
        """What was held is decided again when its time has come."""
        self.now += timedelta(seconds=seconds)
        if self.held is not None and self.held <= self.now:
            self.hear(fires())


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The built-in values."""
    return make_config(tmp_path_factory.mktemp("rules"), RULES)


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(1, 1500)), max_size=200))
def test_what_flaps_is_bounded_and_its_last_state_is_told(config, steps):
    """In no hour are there more than two pages beside those that fired for ten minutes; the last word is the truth."""
    route = Route(config)
    is_firing = False
    for is_firing, seconds in steps:
        route.hear(fires() if is_firing else over())
        route.go_on(seconds)
    route.go_on(600)
    told = route.told
    assert all(one is not two for (one, _), (two, _) in pairwise(told))
    assert (told[-1][0] is Status.FIRING if told else False) is is_firing
    pages = [at for status, at in told if status is Status.FIRING]
    ends = sum(turn.status is Status.RESOLVED for turn in route.past)
    assert len(pages) <= ends + 1
    for at in pages:
        hour = [page for page in pages if at <= page < at + timedelta(hours=1)]
        assert len(hour) <= 2 + 6


def test_an_hour_of_flapping_is_two_pages(config):
    """A turn a minute, as a sensor that is loose: two pages and their two ends."""
    route = Route(config)
    for _ in range(60):
        route.hear(fires())
        route.go_on(30)
        route.hear(over())
        route.go_on(30)
    assert [status for status, _ in route.told] == [Status.FIRING, Status.RESOLVED] * 2


@pytest.mark.parametrize("value", ["{begins: -1}", "{within: 2d}", "{steady: 2h}", "{steady: 0s}", "{often: 3}"])
def test_a_wrong_value_is_refused_in_words(tmp_path, value):
    """With what is allowed."""
    with pytest.raises(ConfigurationError, match=r"flapping.*allowed"):
        make_config(tmp_path, f"{RULES}    flapping: {value}\n")
