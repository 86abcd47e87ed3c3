"""Why nobody was paged: for each way of not being a page, one plain line that names what stood in the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from router_store import World, world_of
from router_values import NOON, make_alert, make_config
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from llmtrace.cli import main
from llmtrace.router.matchers import Silence, parse
from llmtrace.router.model import Status
from llmtrace.router.web.api import explaining

RULES = """
    version: 1
    receivers: {ops: {console: {}}, chat: {console: {}}}
    silences: [{matchers: ['service="old"'], ends_at: 2027-01-01}]
    inhibit: [{source_matchers: ['alertname="down"'], target_matchers: ['alertname="slow"']}]
    time_intervals: {noon: [{times: [{start_time: '11:00', end_time: '13:00'}]}]}
    rollout:
      - {matchers: ['alertname="trial"'], mode: shadow}
      - {matchers: ['alertname="cautious"'], mode: notify, receivers: [chat]}
    routes:
      - {matchers: ['team="office"'], tier: page, receivers: [ops], mute_time_intervals: [noon]}
      - {matchers: ['team="web"'], tier: page, receivers: [ops], group_by: [team], group_wait: 0s, group_interval: 1m}
      - {matchers: ['team="lazy"'], tier: page, receivers: [ops], group_wait: 10m}
      - {matchers: ['team="shop"'], tier: channel, receivers: [chat]}
      - {matchers: ['team!="lost"'], tier: page, receivers: [ops], group_by: [...], group_wait: 0s}
"""
CASES = {
    "silenced by the rules": (
        [make_alert(alertname="a", service="old")],
        "a silence holds it back: the silence file:0, which stands in the rules, until 2027-01-01 00:00:00 UTC",
    ),
    "silenced by a person": (
        [make_alert(alertname="a", service="new")],
        "a silence holds it back: the silence s1 by mina (moving house) until 2026-11-20 14:00:00 UTC",
    ),
    "muted": (
        [make_alert(alertname="a", team="office")],
        "its route is muted at this time: noon until 2026-11-20 13:00:00 UTC",
    ),
    "inhibited": (
        [make_alert(alertname="down"), make_alert(alertname="slow")],
        "another alert that fires says more about the same: down (alert 1) until that is over",
    ),
    "known already": (
        [make_alert(alertname="a"), make_alert(alertname="a")],
        "this route told the same not long ago, and it did not get worse",
    ),
    "grouped": (
        [make_alert(alertname="a", team="web"), make_alert(alertname="b", team="web")],
        "it became part of incident 1, which was paged at 2026-11-20 12:00:00 UTC: that page was updated",
    ),
    "waits for its group": (
        [make_alert(alertname="a", team="lazy")],
        "not yet, for its group is told at 2026-11-20 12:1",
    ),
    "a lower tier": (
        [make_alert(alertname="a", team="shop")],
        'its route /{team="shop"} tells a channel, for its tier is channel',
    ),
    "no route": (
        [make_alert(alertname="a", team="lost")],
        "no route matches it, so that it goes to the digest",
    ),
    "shadow": (
        [make_alert(alertname="trial")],
        "its rule is rolled out as shadow: all is recorded, and nobody is told",
    ),
    "notify": (
        [make_alert(alertname="cautious")],
        "its rule is rolled out as notify: what would page is told in the channel",
    ),
    "over": (
        [replace(make_alert(alertname="a"), status=Status.RESOLVED, ends_at=NOON)],
        "it is over, and was not known to fire",
    ),
}  # fmt: skip


def told(world: World, alert: str) -> list[str]:
    """What the API answers."""
    app = Starlette(routes=[Route("/api/v1/explain/{alert}", explaining(world.records, world.config))])
    with TestClient(app) as client:
        answer = client.get(f"/api/v1/explain/{alert}").raise_for_status()
    lines: list[str] = answer.json()["explanation"]
    return lines


@pytest.mark.parametrize("case", CASES)
def test_each_way_of_not_being_a_page_has_its_plain_line(capsys, tmp_path, case):
    """The API and the command name what stood in the way of the last of these alerts, once."""
    given, expected = CASES[case]
    with world_of(make_config(tmp_path, RULES)) as world:
        silence = Silence("s1", (parse('service="new"'),), NOON, NOON + timedelta(hours=2), "mina", "moving house")
        world.store.silence(silence, NOON)
        for alert in given:
            world.accept(alert)
            world.turn()
            world.turn(seconds=90)
        lines = told(world, str(len(given)))
    (line,) = [line.strip() for line in lines if "not paged" in line]
    assert line.startswith(f"not paged: {expected}")
    assert main(["router", "explain", str(len(given)), "--config", str(tmp_path / "alerts.yaml")]) == 0
    assert capsys.readouterr().out.splitlines() == lines


def test_a_page_is_not_explained_away(tmp_path):
    """Whoever was paged is told by whom and why, and nothing about what did not happen."""
    with world_of(make_config(tmp_path, RULES)) as world:
        world.accept(make_alert(alertname="a"))
        world.turn()
        lines = told(world, "a")
    assert not [line for line in lines if "not paged" in line or "no page" in line]


def test_the_routes_that_page_are_named_where_none_took_it(tmp_path):
    """Beside the reason each route that pages says why it did not take the alert; not where one of them did."""
    with world_of(make_config(tmp_path, RULES)) as world:
        world.accept(make_alert(alertname="a", team="shop"), make_alert(alertname="b", team="office"))
        world.turn()
        shop, office = told(world, "1"), told(world, "2")
    assert next(line.strip() for line in shop if "no page by" in line) == (
        """no page by /{team="office"}: team="office" does not hold: team is 'shop'"""
    )
    assert not [line for line in office if "no page by" in line]
