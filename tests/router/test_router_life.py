"""The life of an alert: it fires, recurs, and is over by its source, by time or by a person; regulated: by a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from router_store import World, world_of
from router_values import make_alert, make_config

from llmtrace.router.model import Act, Alert, Phase, Reason, Status

RULES = """
    version: 1
    receivers: {pager: {console: {}}, second: {console: {}}, third: {console: {}}, ops: {console: {}}}
    routes:
      - matchers: ['severity="critical"']
        tier: page
        receivers: [pager]
        repeat_interval: 30m
        escalate: [{after: 15m, receivers: [second]}, {after: 45m, receivers: [third]}]
      - {matchers: ['severity="error"'], tier: channel, receivers: [ops], resolve_after: 10m, group_wait: 0s}
      - {tier: digest, receivers: [ops]}
"""


@pytest.fixture
def world(tmp_path, store_url):
    """Store, clock and notifiers for the rules above."""
    with world_of(make_config(tmp_path, f"{RULES}    store: {store_url}\n")) as opened:
        yield opened


def resolved(alert: Alert) -> Alert:
    """Word that it is over."""
    return replace(alert, status=Status.RESOLVED, ends_at=alert.starts_at)


def told(world: World, receiver: str) -> list[tuple[Phase, Reason]]:
    """What the receiver heard."""
    return [(sent.phase, sent.reason) for sent in world.sent(receiver)]


def reasons(world: World) -> list[str]:
    """Of all decisions, the oldest first."""
    return [str(row["reason"]) for row in reversed(world.records.decisions(100, None))]


def incident(world: World):
    """The newest incident."""
    return world.records.incidents(1, None)[0]


def test_an_event_is_over_when_it_does_not_recur(world: World):
    """resolve_after counts from the last occurrence; then its incident ends and the receiver hears it."""
    world.accept(make_alert("error"))
    world.turn()
    world.accept(make_alert("error"))
    world.turn(minutes=9)
    world.turn(minutes=9)
    assert told(world, "ops") == [(Phase.FIRING, Reason.NEW)]
    assert incident(world)["state"] == "open"
    world.turn(minutes=1)
    assert told(world, "ops")[1:] == [(Phase.RESOLVED, Reason.RESOLVE_AFTER)]
    (alert,) = world.sent("ops")[1].alerts
    assert (alert.status, alert.ends_at) == (Status.RESOLVED, world.clock.now())
    assert (incident(world)["state"], incident(world)["resolved_by"]) == ("resolved", "resolve_after")
    assert reasons(world) == ["new", "deduplicated", "resolve_after"]


def test_an_event_that_comes_again_after_its_end_is_new(world: World):
    """A second incident opens under the same dedup key."""
    for _ in range(2):
        world.accept(make_alert("error"))
        world.turn()
        world.turn(minutes=5)
        world.turn(hours=1)
    assert [phase for phase, _ in told(world, "ops")] == [Phase.FIRING, Phase.RESOLVED] * 2
    first, second = world.records.incidents(10, None)
    assert first["dedup_key"] == second["dedup_key"]
    assert first["id"] != second["id"]


def test_a_source_with_states_says_itself_that_it_is_over(world: World):
    """Its own word resolves, once; before its end nothing does."""
    alert = replace(make_alert("error"), ends_at=world.clock.now() + timedelta(days=1))
    world.accept(alert)
    world.turn()
    world.turn(hours=5)
    world.accept(resolved(alert), resolved(alert))
    world.turn()
    assert told(world, "ops") == [(Phase.FIRING, Reason.NEW), (Phase.RESOLVED, Reason.RESOLVED)]
    assert reasons(world) == ["new", "resolved", "not_firing"]


def test_a_source_that_falls_silent_is_over_at_its_own_end(world: World):
    """An alert whose source gave an end is over then, unless it was said again."""
    alert = replace(make_alert("error"), ends_at=world.clock.now() + timedelta(minutes=4))
    world.accept(alert)
    world.turn()
    world.accept(replace(alert, ends_at=world.clock.now() + timedelta(minutes=7)))
    world.turn(minutes=3)
    world.turn(minutes=3)
    assert len(told(world, "ops")) == 1
    world.turn(minutes=1)
    assert told(world, "ops")[1:] == [(Phase.RESOLVED, Reason.RESOLVE_TIMEOUT)]


def test_regulated_alerts_are_never_over_by_themselves(world: World):
    """Neither time nor their own source ends them; a person does, and who it was is kept."""
    alert = replace(make_alert("error", regulated="true"), ends_at=world.clock.now() + timedelta(minutes=4))
    event = make_alert("error", alertname="event", regulated="true")
    world.accept(alert, event)
    world.turn()
    world.accept(resolved(alert))
    world.turn(days=30)
    assert {phase for phase, _ in told(world, "ops")} == {Phase.FIRING}
    assert reasons(world) == ["new", "new", "regulated"]
    assert incident(world)["state"] == "open"
    for row in world.records.incidents(10, None):
        assert world.act(row["id"], Act.RESOLVE, "mina") is True
    world.turn()
    assert told(world, "ops")[2:] == [(Phase.RESOLVED, Reason.BY_PERSON)] * 2
    assert (incident(world)["state"], incident(world)["resolved_by"]) == ("resolved", "mina")


def test_a_group_is_over_when_all_of_it_is(world: World):
    """While one alert of a group fires, the incident stays open; what is over is told as such."""
    first, second = make_alert("error", model="a"), make_alert("error", model="b")
    world.accept(first, second)
    world.turn()
    world.accept(resolved(first))
    world.turn(minutes=5)
    assert told(world, "ops")[1] == (Phase.FIRING, Reason.RESOLVED)
    assert incident(world)["state"] == "open"
    world.accept(resolved(second))
    world.turn(minutes=5)
    assert told(world, "ops")[2] == (Phase.RESOLVED, Reason.RESOLVED)
    assert incident(world)["state"] == "resolved"


def test_nobody_hears_of_the_end_of_what_nobody_was_told(world: World):
    """The end of an unknown alert is a decision with a reason, and no message."""
    world.accept(resolved(make_alert("error")))
    world.turn()
    assert world.sent("ops") == []
    assert reasons(world) == ["not_firing"]


def test_a_digest_opens_no_incident(world: World):
    """It tells what was, over or not, at its time."""
    world.accept(make_alert("info"))
    world.turn()
    world.turn(hours=2)
    world.turn(days=1)
    assert world.records.incidents(10, None) == []
    assert [sent.phase for sent in world.sent("ops")] == [Phase.FIRING]
    assert [alert.status for alert in world.sent("ops")[0].alerts] == [Status.RESOLVED]


def test_nobody_reacts_so_the_next_one_is_told(world: World):
    """Each step is taken at its time, to the second, once; the last receivers hear of the end too."""
    world.accept(make_alert())
    world.turn()
    world.turn(minutes=14, seconds=59)
    assert world.sent("second") == []
    world.turn(seconds=1)
    (page,) = world.sent("second")
    assert (page.reason, page.escalation_step, page.phase) == (Reason.ESCALATED, 1, Phase.FIRING)
    assert page.dedup_key == world.sent("pager")[0].dedup_key
    world.accept(make_alert())
    world.turn(minutes=30)
    world.turn(minutes=29)
    assert [sent.escalation_step for sent in world.sent("third")] == [2]
    assert len(world.sent("second")) == 1
    world.turn(hours=1)
    for receiver in ("pager", "second", "third"):
        assert told(world, receiver)[-1] == (Phase.RESOLVED, Reason.RESOLVE_AFTER)


def test_an_acknowledgement_ends_the_escalation_and_the_repetition(world: World):
    """Whoever acknowledged is not told again of the same, yet hears of a rise and of the end."""
    world.accept(make_alert())
    world.turn()
    assert world.act(incident(world)["id"], Act.ACKNOWLEDGE, "mina") is True
    assert world.act(incident(world)["id"], Act.ACKNOWLEDGE, "max") is False
    assert world.act(99, Act.ACKNOWLEDGE, "max") is None
    world.accept(make_alert())
    world.turn(minutes=31)
    world.turn(minutes=20)
    assert world.sent("second") == []
    assert reasons(world) == ["new", "acknowledged"]
    assert (incident(world)["acknowledged_by"], incident(world)["state"]) == ("mina", "acknowledged")
    world.turn(hours=2)
    assert [phase for phase, _ in told(world, "pager")] == [Phase.FIRING, Phase.RESOLVED]


def test_the_policy_of_the_start_holds(world: World, tmp_path):
    """An incident escalates as the file said when it opened, whatever the file says since."""
    world.accept(make_alert())
    world.turn()
    changed = RULES.replace("after: 15m", "after: 1m").replace("receivers: [second]", "receivers: [ops]")
    world.config = make_config(tmp_path, changed)
    world.turn(minutes=14)
    assert world.sent("ops") == []
    world.turn(minutes=1)
    assert len(world.sent("second")) == 1


def test_a_clock_that_jumps_neither_loses_nor_doubles_a_step(world: World):
    """Set back by an hour the step waits for its time; set forward by two all steps are taken, once."""
    world.accept(make_alert())
    world.turn()
    world.turn(hours=-1)
    assert world.sent("second") == []
    world.accept(make_alert())
    world.turn(hours=2)
    world.turn()
    assert len(world.sent("second")) == 1
    assert len(world.sent("third")) == 1


def test_a_restart_keeps_due_times(tmp_path):
    """A step that came due while no router ran is taken by the next one."""
    config = make_config(tmp_path, RULES)
    with world_of(config) as world:
        world.accept(make_alert())
        world.turn()
        clock = world.clock
    clock.move(minutes=16)
    with world_of(config, clock) as world:
        world.turn()
        assert len(world.sent("second")) == 1
