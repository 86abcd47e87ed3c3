"""Whose alerts a digest counts, and that it names what held alerts back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from destinations import MailServer
from hypothesis import given
from hypothesis import strategies as st
from router_values import NOON, make_alert, make_config
from test_router_digest import opened, plain

from llmtrace.router.config.scope import scope_of
from llmtrace.router.digest.preview import preview
from llmtrace.router.matchers import Silence, parse
from llmtrace.router.model import Status

RULES = """
    version: 1
    store: {store}
    receivers:
      on-call: {{console: {{}}}}
      product: {{email: {{to: [product@example.org], port: {port}}}}}
      legal: {{email: {{to: [legal@example.org], port: {port}}}}}
    tiers:
      page: {{receivers: [on-call], repeat_interval: 4h}}
      digest: {{receivers: [product], schedule: "0 8 * * *"}}
    time_intervals:
      afternoons: [{{times: [{{start_time: "11:00", end_time: "18:00"}}]}}]
    inhibit:
      - {{source_matchers: ['alertname="gateway-down"'], target_matchers: ['alertname="answer-slow"']}}
    flapping: {{begins: 1, within: 1h, steady: 10m}}
    rollout:
      - {{matchers: ['alertname="new-rule"'], mode: shadow}}
    routes:
      - {{matchers: ['alertname="backup-late"'], tier: page, mute_time_intervals: [afternoons]}}
      - {{matchers: ['severity="critical"'], tier: page}}
      - {{matchers: ['team="legal-ai"', 'severity="info"'], tier: digest, receivers: [legal], timezone: Asia/Tokyo}}
      - {{tier: digest}}
"""
COST = {"llm.cost.total": "0.25"}


@pytest.fixture
def server():
    """Where the mails arrive."""
    with MailServer() as running:
        yield running


def test_a_team_reads_of_its_own_alerts_only(tmp_path, server, store_url):
    """Tiers, suppressed alerts, noisy rules and costs are the team's, whatever route took them; else of all teams."""
    with opened(tmp_path, server, store_url, rules=RULES) as house:
        house.turn()
        for team, pages in (("legal-ai", 2), ("search", 5)):
            house.happen(make_alert("info", COST, alertname=f"{team}-slow", team=team))
            house.happen(*(make_alert("critical", alertname=f"{team}-down", team=team) for _ in range(pages)))
        house.turn(hours=24)
        legal, product = sorted((plain(mail) for mail in server.mails), key=lambda text: "[digest] product" in text)
    assert legal.startswith("[digest] legal: 1 alert,")
    assert "below are of team legal-ai." in legal
    assert "search" not in legal
    assert "    1  page " in legal
    assert "    1  legal-ai-down" in legal
    assert "0.25 USD" in legal
    assert "below are of all teams." in product
    assert "    2  page " in product
    assert "    4  search-down" in product
    assert "0.50 USD" in product


@pytest.mark.parametrize(
    ("ways", "unrouted", "said"),
    [
        ([['team="a"']], False, "team a"),
        ([['team="a"', 'alertname="x"', 'severity="info"']], False, "team a"),
        ([['team=~"a|b"']], False, 'team=~"a|b"'),
        ([['team="a"'], ['team="b"', "confidence < 0.5"], ['team="a"']], False, "team a or team b"),
        ([['team="a"']], True, "team a or what no route takes"),
        ([['environment!="production"', 'severity="info"']], False, 'environment!="production"'),
        ([['team="a"'], ['severity="info"']], False, "all teams"),
        ([['team="a"'], ["confidence < 0.5"]], True, "all teams"),
        ([], True, "all teams"),
    ],
)  # fmt: skip
def test_a_digest_is_about_the_team_of_its_routes(ways, unrouted, said):
    """A team where routes name one, else what they match beside severity and numbers; nothing of it: all teams."""
    assert str(scope_of([[parse(text) for text in way] for way in ways], is_unrouted=unrouted)) == said


_MATCHER = st.builds(
    '{}{}"{}"'.format, st.sampled_from(["team", "service"]), st.sampled_from(["=", "!="]), st.sampled_from("ab")
)
_LABELS = st.fixed_dictionaries({}, optional={name: st.sampled_from("abc") for name in ("team", "service")})


@given(st.lists(st.lists(_MATCHER, max_size=3), min_size=1, max_size=3), _LABELS)
def test_what_a_route_takes_is_in_the_scope(ways, labels):
    """No alert that comes to a digest's route is left out of what the digest counts."""
    read = [[parse(text) for text in way] for way in ways]
    if any(all(matcher.matches(labels) for matcher in way) for way in read):
        assert scope_of(read, is_unrouted=False).covers(labels, is_unrouted=False)


def test_routes_say_whose_a_digest_is(tmp_path):
    """Matchers of parents count; a parent that never applies itself does not; the last resort is said where it is."""
    rules = RULES.format(store="sqlite:///router.db", port=25)
    config = make_config(tmp_path, rules)
    assert {each.receiver: str(each.scope) for each in config.digests} == {
        "product": "all teams",
        "legal": "team legal-ai",
    }
    nested = """routes:
      - matchers: ['service="bot"']
        routes:
          - {matchers: ['team="search"'], tier: digest}
          - {tier: page}
    """
    config = make_config(tmp_path, rules.partition("routes:")[0] + nested)
    assert [str(each.scope) for each in config.digests] == ["team search or what no route takes"]
    config = make_config(tmp_path, rules.partition("routes:")[0] + nested.rstrip() + "\n      - {tier: page}\n")
    assert [str(each.scope) for each in config.digests] == ["team search"]


def test_what_held_alerts_back_is_named(tmp_path, server, store_url):
    """Which silence, which other alert, which muted times, damping and the route in shadow, with the alert's rule."""
    with opened(tmp_path, server, store_url, rules=RULES) as house:
        house.turn()
        quiet = Silence(
            "ab12", (parse('alertname="tool-fails"'),), NOON, NOON + timedelta(hours=1), "Ada", "a rollback"
        )
        house.world.store.silence(quiet, NOON)
        for name in ("gateway-down", "answer-slow", "tool-fails", "backup-late", "new-rule"):
            house.happen(make_alert(alertname=name))
        flap(house)
        house.turn(hours=20)
        text = " ".join(plain(next(mail for mail in server.mails if "product" in mail["To"])).split())
    for said in (
        "1 tool-fails (new) a silence holds it back: the silence ab12 by Ada (a rollback)",
        "1 answer-slow (new) another alert that fires says more about the same: gateway-down",
        "1 backup-late (new) its route is muted at this time: afternoons",
        "1 new-rule (new) its rule is rolled out as shadow: all is recorded, and nobody is told: route /{severity",
        "comes-and-goes (new) it comes and goes too often: it is told once it fires steadily: the damping of",
    ):
        assert said in text, text


def flap(house) -> None:
    """An alert begins, ends and begins again."""
    now = house.world.clock.now
    for status in (Status.FIRING, Status.RESOLVED, Status.FIRING):
        end = now() + timedelta(hours=1) if status is Status.FIRING else now()
        house.happen(replace(make_alert(alertname="comes-and-goes"), status=status, starts_at=now(), ends_at=end))
        house.turn(minutes=1)


def test_an_alert_on_two_routes_is_one_alert(tmp_path, server):
    """Noise counts what came in, not how often it was decided."""
    rules = RULES.replace("tier: page, mute_time_intervals: [afternoons]", "tier: page, continue: true")
    with opened(tmp_path, server, rules=rules) as house:
        house.turn()
        house.happen(make_alert("info", alertname="backup-late"))
        house.turn(hours=1)
        (digest,) = (each for each in house.world.config.digests if each.receiver == "product")
        with house.world._database.read() as connection:
            found = preview(connection, digest, house.world.clock.now())
        assert [(line.name, line.number) for line in found.noisiest] == [("backup-late", 1)]


def test_where_not_all_is_counted_nothing_is_compared(tmp_path, server):
    """The latest decisions of two periods are no trend: the digest says so instead of a number."""
    with opened(tmp_path, server, rules=RULES) as house:
        house.turn()
        house.happen(*(make_alert("info", alertname="slow", user=str(n)) for n in range(9)))
        house.turn(hours=1)
        (digest,) = (each for each in house.world.config.digests if each.receiver == "product")
        with house.world._database.read() as connection:
            whole, cut = (preview(connection, digest, house.world.clock.now(), most) for most in (9, 8))
        assert [(each.is_cut, each.total, each.bundled[0].trend) for each in (whole, cut)] == [
            (False, 9, "new"),
            (True, 8, "not compared"),
        ]


def test_the_end_of_an_alert_is_no_news(tmp_path, server):
    """What ends by itself in a period did not come in there: it is no noise, costs nothing, and told nobody."""
    with opened(tmp_path, server, rules=RULES) as house:
        house.turn()
        house.happen(make_alert("info", COST, alertname="slow"), make_alert("critical", COST))
        house.turn(hours=20)
        house.world.turn(hours=5)
        house.turn(hours=19)
        last = [" ".join(plain(mail).split()) for mail in server.mails if "product" in mail["To"]][-1]
    assert "Noisiest rules: none" in last
    assert "0 page (before: 1," in last
    assert "0.00 USD (before: 0.50)" in last
