"""Silences, muted times and inhibition: who is held back, until when, and who never is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from router_store import world_of
from router_values import NOON, make_alert, make_config

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config.times import TimeInterval, muted_until
from llmtrace.router.matchers import Silence, parse
from llmtrace.router.model import Status

RULES = """
    version: 1
    receivers: {ops: {console: {}}}
    silences:
      - {matchers: ['service="old"'], ends_at: 2026-11-20T13:00:00Z, comment: retired}
    inhibit:
      - {source_matchers: ['alertname="down"'], target_matchers: ['severity=~"error|warning"'], equal: [service]}
    time_intervals:
      night: [{times: [{start_time: '18:00', end_time: '24:00'}, {start_time: '00:00', end_time: '08:00'}]}]
    routes:
      - {matchers: ['team="office"'], tier: page, receivers: [ops], mute_time_intervals: [night]}
      - {tier: page, receivers: [ops], resolve_after: 1d}
"""


@pytest.fixture
def world(tmp_path, store_url):
    """Store, clock and notifiers for the rules above."""
    with world_of(make_config(tmp_path, f"{RULES}    store: {store_url}\n")) as opened:
        yield opened


def reasons(world):
    """Of all decisions, the oldest first."""
    return [str(row["reason"]) for row in reversed(world.records.decisions(100, None))]


def test_what_the_file_silences_is_told_afterwards(world):
    """Held until the silence ends, then told once, however often it came."""
    world.accept(make_alert(service="old"), make_alert(service="old"))
    world.turn()
    assert world.sent("ops") == []
    world.turn(minutes=59)
    world.turn(minutes=1)
    assert len(world.sent("ops")) == 1
    assert reasons(world) == ["silenced", "silenced", "new"]


def test_what_is_over_while_it_was_held_is_not_told(world):
    """Its end has the reason never_told."""
    alert = replace(make_alert(service="old"), ends_at=NOON + timedelta(days=1))
    world.accept(alert)
    world.turn()
    world.accept(replace(alert, status=Status.RESOLVED, ends_at=NOON))
    world.turn()
    world.turn(hours=2)
    assert world.sent("ops") == []
    assert reasons(world) == ["silenced", "never_told"]


def test_a_cause_holds_back_its_symptoms_until_it_is_over(world):
    """Only of the same service, only of the target's severities; afterwards what still fires is told."""
    down = replace(make_alert(alertname="down"), ends_at=NOON + timedelta(days=1))
    slow = replace(make_alert("error", alertname="slow"), ends_at=NOON + timedelta(days=1))
    world.accept(down, slow, replace(slow, labels={**slow.labels, "service": "other"}))
    world.turn()
    assert {(sent.alerts[0].name, sent.alerts[0].labels["service"]) for sent in world.sent("ops")} == {
        ("down", "bot"), ("slow", "other")
    }  # fmt: skip
    world.accept(replace(down, status=Status.RESOLVED, ends_at=NOON))
    world.turn(minutes=2)
    assert [sent.alerts[0].name for sent in world.sent("ops")][-2:] in (["down", "slow"], ["slow", "down"])
    assert reasons(world) == ["new", "inhibited", "new", "resolved", "new"]


WAITING = RULES.replace(
    "{tier: page, receivers: [ops], resolve_after: 1d}", "{tier: channel, receivers: [ops], resolve_after: 1d}"
)


def lasting(severity: str = "error", **labels: str):
    """An alert of a source that has states."""
    return replace(make_alert(severity, **labels), ends_at=NOON + timedelta(days=1))


def test_a_cause_that_comes_after_its_symptom_is_told_alone(world, tmp_path):
    """That is what group_wait is for: the symptom waits, is held when its message is due, and told after the cause."""
    world.config = make_config(tmp_path, WAITING)
    world.accept(lasting(alertname="slow"))
    world.turn()
    world.accept(lasting("critical", alertname="down"))
    world.turn(seconds=10)
    world.turn(seconds=20)
    world.turn(seconds=10)
    assert [sent.alerts[0].name for sent in world.sent("ops")] == ["down"]
    assert reasons(world) == ["new", "new", "inhibited"]
    world.accept(replace(lasting("critical", alertname="down"), status=Status.RESOLVED, ends_at=NOON))
    world.turn(minutes=1)
    world.turn(seconds=30)
    world.turn(minutes=5)
    assert sorted(sent.alerts[0].name for sent in world.sent("ops")[1:]) == ["down", "slow"]
    assert reasons(world)[3:] == ["resolved", "new"]


def test_a_silence_that_is_made_while_an_alert_waits_holds_it(world, tmp_path):
    """Its group goes on: the other alert of the group is told, and the silenced one when the silence is over."""
    world.config = make_config(tmp_path, WAITING)
    world.accept(lasting(alertname="a"), lasting(alertname="a", model="m"))
    world.turn()
    until = world.clock.now() + timedelta(hours=1)
    world.store.silence(Silence("s", (parse('model="m"'),), NOON, until, "mina", ""), world.clock.now())
    world.turn(seconds=30)
    (sent,) = world.sent("ops")
    assert [alert.labels.get("model") for alert in sent.alerts] == [None]
    world.turn(hours=1)
    world.turn(minutes=5)
    assert [alert.labels.get("model") for alert in world.sent("ops")[1].alerts] == ["m"]
    assert reasons(world) == ["new", "new", "silenced", "new"]


def test_a_regulated_alert_that_waits_is_told_whatever_comes(world, tmp_path):
    """Neither a cause nor a silence takes it out of its group."""
    world.config = make_config(tmp_path, WAITING)
    world.accept(lasting(alertname="slow", regulated="true"))
    world.turn()
    world.accept(lasting("critical", alertname="down"))
    world.turn(seconds=10)
    world.turn(seconds=20)
    assert "slow" in [sent.alerts[0].name for sent in world.sent("ops")]


def test_what_is_cause_and_symptom_yields_to_a_cause_only(world, tmp_path):
    """As in Alertmanager: two alerts that are both source and target do not silence each other; a mere source does."""
    text = RULES.replace(
        """target_matchers: ['severity=~"error|warning"']""", """target_matchers: ['severity!="critical"']"""
    )
    world.config = make_config(tmp_path, text.replace("""'alertname="down"'""", """'alertname=~"down|slow"'"""))
    both = [replace(make_alert("error", alertname=name), ends_at=NOON + timedelta(days=1)) for name in ("down", "slow")]
    world.accept(*both)
    world.turn()
    assert reasons(world) == ["new", "new"]
    world.accept(replace(make_alert(alertname="down", cause="yes"), ends_at=NOON + timedelta(days=1)), both[1])
    world.turn(hours=5)
    assert reasons(world)[2:] == ["new", "inhibited"]


def test_muted_hours_hold_until_the_morning(world):
    """At 18:30 it is held until 08:00, when it still fires."""
    world.clock.move(hours=6, minutes=30)
    world.accept(replace(make_alert(team="office"), ends_at=NOON + timedelta(days=2)))
    world.turn()
    (decision,) = world.records.decisions(1, None)
    assert (decision["reason"], decision["held_until"]) == ("muted", "2026-11-21T08:00:00+00:00")
    world.turn(hours=13, minutes=30)
    assert len(world.sent("ops")) == 1


def test_regulated_alerts_are_never_held(world):
    """Neither a silence nor the night nor another alert keeps one back."""
    world.clock.move(hours=6, minutes=30)
    world.accept(make_alert(alertname="down", service="x"))
    world.turn()
    world.accept(
        make_alert(service="old", regulated="true"),
        make_alert(team="office", regulated="true"),
        make_alert("error", service="x", regulated="true"),
    )
    world.turn()
    assert reasons(world) == ["new"] * 4


def test_other_rules_decide_what_was_held_again(world, tmp_path):
    """A restart with a file that holds nothing tells what waited."""
    world.accept(make_alert(service="old"))
    world.turn()
    world.config = make_config(tmp_path, RULES.replace('service="old"', 'service="older"'))
    world.turn(seconds=1)
    assert len(world.sent("ops")) == 1


@pytest.mark.parametrize(
    ("interval", "moment", "until"),
    [
        ({"weekdays": ["saturday:sunday"]}, (2026, 11, 21, 9, 0), (2026, 11, 23, 0, 0)),
        ({"weekdays": ["monday"]}, (2026, 11, 21, 9, 0), None),
        ({"days_of_month": ["-1"]}, (2026, 11, 30, 9, 0), (2026, 12, 1, 0, 0)),
        ({"days_of_month": ["1:7"]}, (2026, 11, 30, 9, 0), None),
        ({"days_of_month": ["1:-1"]}, (2026, 11, 30, 9, 0), (2028, 1, 4, 9, 0)),
        ({"weekdays": ["sunday:saturday"]}, (2026, 11, 30, 9, 0), (2028, 1, 4, 9, 0)),
        ({"weekdays": ["friday:monday"]}, (2026, 11, 22, 9, 0), (2026, 11, 24, 0, 0)),
        ({"years": ["2026"]}, (2026, 12, 24, 0, 0), (2027, 1, 1, 0, 0)),
        ({"years": ["2027:2028"]}, (2026, 12, 24, 0, 0), None),
        ({"months": [12]}, (2026, 12, 24, 0, 0), (2027, 1, 1, 0, 0)),
        ({"months": ["december"]}, (2026, 12, 24, 0, 0), (2027, 1, 1, 0, 0)),
        ({"times": [{"start_time": "09:00", "end_time": "10:00"}]}, (2026, 11, 20, 9, 59), (2026, 11, 20, 10, 0)),
        ({"times": [{"start_time": 540, "end_time": 600}]}, (2026, 11, 20, 10, 0), None),
        ({"times": [{"start_time": "09:00", "end_time": "10:00"}], "location": "Europe/Berlin"},
         (2026, 11, 20, 8, 30), (2026, 11, 20, 9, 0)),
    ],
)  # fmt: skip
def test_intervals_are_alertmanagers(interval, moment, until):
    """Whether a moment is inside, and when it ends, in the place's own time."""
    expected = None if until is None else datetime(*until, tzinfo=UTC)
    assert muted_until([TimeInterval.model_validate(interval)], datetime(*moment, tzinfo=UTC)) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{weekdays: [someday]}", "is no range; allowed: one or FROM:TO, such as monday:friday"),
        ("{weekdays: ['1']}", "is no range"),
        ("{months: ['march:january']}", "is a range that ends before it begins"),
        ("{years: ['2028:2026']}", "is a range that ends before it begins"),
        ("{days_of_month: ['-1:1']}", "is a range from the end of the month to its beginning"),
        ("{days_of_month: ['20:-20']}", "is a range that ends before it begins"),
        ("{times: [{start_time: '22:00', end_time: '06:00'}]}", "end_time: ends before it begins; allowed: two spans"),
        ("{times: [{start_time: '25:00', end_time: '26:00'}]}", "'25:00' is no time of day"),
        ("{location: Mars}", "'Mars' is no time zone"),
        ("{months: ['0']}", "is no range"),
        ("{days_of_month: ['32']}", "is no range"),
    ],
)
def test_wrong_intervals_are_one_line(tmp_path, text, problem):
    """Where it stands, and what is allowed."""
    rules = f"version: 1\nreceivers: {{a: {{console: {{}}}}}}\ntime_intervals: {{x: [{text}]}}"
    with pytest.raises(ConfigurationError, match=problem):
        make_config(tmp_path, rules)


def test_an_interval_that_is_not_there_is_named(tmp_path):
    """A route that mutes by an unknown name is an error at its place."""
    rules = "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - {receivers: [a], mute_time_intervals: [x]}"
    with pytest.raises(
        ConfigurationError, match=r"alerts.yaml:4:44: routes\[0\].mute_time_intervals\[0\]: 'x' is none"
    ):
        make_config(tmp_path, rules)
