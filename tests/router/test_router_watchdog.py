"""The watchdog: heartbeats go the way of alerts; silence of who promised to be heard is an alert; lateness fails."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from prometheus import program
from router_process import RouterProcess
from router_store import world_of
from router_values import NOON, make_alert, make_config
from test_router_intake import Doors
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.model import Outcome, Receipt, Status
from llmtrace.router.watchdog import Watchdog

EXAMPLES = Path(__file__).parents[2] / "examples/rules"
RULES = """
    version: 1
    receivers: {ops: {console: {}}, switch: {console: {}}}
    watchdog: {heartbeat: {every: 1m, receivers: [switch]}, sources: {api: 10m, my-tool: 1h}}
    intake: {sources: {my-tool: {mapping: my-tool.yaml}}}
    routes: [{tier: page, receivers: [ops]}]
"""
MAPPING = "version: 1\nfields: {name: title}\n"


@pytest.fixture
def world(tmp_path):
    """A router that sends heartbeats and watches two sources."""
    (tmp_path / "my-tool.yaml").write_text(MAPPING)
    with world_of(make_config(tmp_path, RULES)) as opened:
        yield opened


def watching(world, heard=None) -> Watchdog:
    """Without its loop."""
    return Watchdog(world.config, {} if heard is None else heard, inbox=None, clock=world.clock)


def names(alerts) -> list[tuple[str, str]]:
    """Name and status of each."""
    return [(alert.labels.get("silent_source", alert.name), str(alert.status)) for alert in alerts]


def test_heartbeats_take_a_real_route(world):
    """Each is decided, told to the switch alone, and explained; none is an incident, however often."""
    dog = watching(world)
    for _ in range(5):
        world.accept(*dog.look(world.clock.now()))
        world.turn()
        world.clock.move(seconds=61)
    assert len(world.sent("switch")) == 5
    assert world.sent("ops") == []
    assert world.records.incidents(9, None) == []
    assert "told switch" in "\n".join(world.records.explain("router-heartbeat"))


def test_heartbeats_come_as_often_as_they_should(world):
    """Not more often, and at once after the clock was set back."""
    dog, clock = watching(world), world.clock
    came = [names(dog.look(clock.now())) for _ in range(3) if clock.move(seconds=30) is None]
    assert came == [[("router-heartbeat", "firing")], [], [("router-heartbeat", "firing")]]
    clock.move(hours=-1)
    assert names(dog.look(clock.now())) == [("router-heartbeat", "firing")]


def quiet(world, heard):
    """A watchdog, and what it raises beside heartbeats after so many minutes more."""
    dog = watching(world, heard)

    def after(minutes: int):
        world.clock.move(minutes=minutes)
        alerts = [each for each in dog.look(world.clock.now()) if each.name != "router-heartbeat"]
        world.accept(*alerts)
        world.turn()
        return names(alerts)

    return after


def test_a_source_that_goes_silent_is_an_alert_until_it_is_heard(world):
    """Raised once its time is over, said again, told once, and ended when something comes."""
    heard = {"/api/v2/alerts": NOON}
    after = quiet(world, heard)
    assert after(9) == [("api", "resolved")]  # were it silent before the start
    assert after(1) == []
    assert after(1) == [("api", "firing")]
    assert after(1) == []
    assert after(10) == [("api", "firing")]
    heard["/api/v2/alerts"] = world.clock.now()
    assert after(1) == [("api", "resolved")]
    assert after(1) == []
    world.turn(minutes=2)
    first, last = world.sent("ops")
    assert (first.alerts[0].name, first.alerts[0].labels["silent_source"]) == ("source-silent", "api")
    assert "nothing came from api since 2026-11-20T12:00:00+00:00" in first.alerts[0].annotations["reason"]
    assert last.alerts[0].status is Status.RESOLVED


def test_after_a_start_each_source_has_its_time_anew(world):
    """And what was raised before the start ends when the source is heard."""
    heard = {}
    after = quiet(world, heard)
    assert after(9) == []
    heard["/api/v2/alerts"] = world.clock.now()
    assert after(1) == [("api", "resolved")]
    assert after(5) == []


def test_what_is_taken_counts_as_heard_and_what_is_refused_does_not(world):
    """Any request that is answered well, with or without an alert in it."""
    doors = Doors(world)
    with doors.inbox, doors.client:
        doors.post("/api/v2/alerts", b"[")
        assert 'source_silent_seconds{source="api"}' not in doors.client.get("/metrics").text
        doors.post("/api/v2/alerts", b"[]")
        world.clock.move(seconds=90)
        assert 'llmtrace_router_source_silent_seconds{source="api"} 90\n' in doors.client.get("/metrics").text


def test_health_fails_where_a_due_notification_is_late(world):
    """Not before, and not for a destination that refuses: that is tried again later and shown as pending."""
    doors = Doors(world)
    with doors.inbox, doors.client:
        (notifier,) = [each for to, each in world.notifiers.items() if to.receiver == "ops"]
        notifier.receipts = [Receipt(Outcome.RETRY, "HTTP 500")]
        world.accept(make_alert())
        world.turn()
        assert doors.client.get("/healthz").status_code == 200
        world.clock.move(minutes=4)
        assert doors.client.get("/healthz").json() == {"status": "ok"}
        world.clock.move(minutes=3)
        failing = doors.client.get("/healthz")
        assert failing.status_code == 503
        assert re.fullmatch(
            r"the oldest notification that is due has waited for 4\d\d s; allowed: 300 s", failing.json()["problem"]
        )
        figures = doors.client.get("/metrics").text
        assert re.search(r"llmtrace_router_oldest_due_seconds 4\d\d\n", figures)
        assert "llmtrace_router_oldest_pending_seconds 420\n" in figures
        world.turn()
        assert doors.client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("watchdog", "problem"),
    [
        ("{sources: {prometheus: 5m}}", r"watchdog.sources.prometheus.*no source; allowed: otlp, api, phoenix"),
        ("{heartbeat: {receivers: [nobody]}}", "no receiver of this file; allowed: ops"),
        ("{heartbeat: {every: 0s, receivers: [ops]}}", "too often; allowed: 1s and more"),
        ("{heartbeat: {every: 1m}}", "missing; it must be set"),
        ("{late: soon}", r"watchdog\.late"),
    ],
)
def test_a_wrong_watchdog_is_refused_in_words(tmp_path, watchdog, problem):
    """With its place and what is allowed."""
    rules = f"version: 1\nreceivers: {{ops: {{console: {{}}}}}}\nwatchdog: {watchdog}\nroutes: [{{receivers: [ops]}}]\n"
    with pytest.raises(ConfigurationError, match=problem):
        make_config(tmp_path, rules)


def test_promtool_takes_the_alerting_rules_and_their_tests():
    """Prometheus's own program: the rules are right, and fire for what they should."""
    for what in (("check", "rules", "router.rules.yml"), ("test", "rules", "router.rules.test.yml")):
        ended = subprocess.run(
            [program("promtool"), *what], cwd=EXAMPLES, capture_output=True, text=True, check=False, timeout=30
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_rules_name_only_figures_that_there_are(world):
    """Each metric of a rule stands in `/metrics`."""
    doors = Doors(world)
    with doors.inbox, doors.client:
        doors.post("/api/v2/alerts", b"[]")
        figures = doors.client.get("/metrics").text
    named = set(re.findall(r"llmtrace_router_\w+", (EXAMPLES / "router.rules.yml").read_text()))
    assert {name for name in named if f"# TYPE {name} " not in figures} == set()


def test_a_running_router_beats(tmp_path):
    """The real process: heartbeats arrive at the switch; a source that says nothing is an alert there."""
    with WebhookReceiver() as receiver:
        hook = f'{{webhook: {{url: "{receiver.url}", allow_private: true}}}}'
        rules = f"version: 1\nreceivers: {{switch: {hook}}}\nroutes: [{{tier: page, receivers: [switch]}}]\n"
        watchdog = "watchdog: {heartbeat: {every: 1s, receivers: [switch]}, sources: {otlp: 1s}}\n"
        (tmp_path / "alerts.yaml").write_text(rules + watchdog)
        with RouterProcess(tmp_path / "alerts.yaml"):

            def told(name: str) -> int:
                return sum(each.body["alerts"][0]["labels"]["alertname"] == name for each in receiver.accepted)

            wait_until(lambda: told("router-heartbeat") >= 2 and told("source-silent") == 1, "both arrive", 30)
