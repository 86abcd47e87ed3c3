"""What check proves of the rules: regulated alerts always open a ticket; dead routes and matchers are named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import make_alert, make_config

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.routing import tiers
from llmtrace.router.routing.tree import route

RECEIVERS = """version: 1
receivers:
  chat: {console: {}}
  tickets: {servicenow: {instance: example, token: "${T}"}}
"""


def loaded(folder, routes: str, more: str = ""):
    """The configuration with these routes."""
    return make_config(folder, f"{RECEIVERS}{more}routes: {routes}\n", {"T": "t"})


GOOD = [
    """[{matchers: ['regulated="true"'], tier: channel, receivers: [tickets, chat]}, {receivers: [chat]}]""",
    """[{matchers: ['regulated!="true"'], receivers: [chat]}, {tier: channel, receivers: [tickets]}]""",
    """[{matchers: ['regulated="true"', 'team="a"'], tier: page, receivers: [tickets]},
        {matchers: ['regulated=~"true|yes"'], tier: channel, receivers: [tickets]}, {receivers: [chat]}]""",
    """[{tier: channel, receivers: [tickets], routes: [{matchers: ['regulated=""'], receivers: [chat]}]}]""",
    """[{matchers: ['severity="critical"'], tier: page, receivers: [chat], continue: true},
        {matchers: ['regulated="true"'], tier: channel, receivers: [tickets]}]""",
]
BAD = [
    ("""[{matchers: ['regulated="true"', 'team="a"'], tier: channel, receivers: [tickets]}, {receivers: [chat]}]""",
     "route /{} may take a regulated alert"),
    ("""[{matchers: ['severity="critical"'], tier: page, receivers: [chat]},
        {matchers: ['regulated="true"'], tier: channel, receivers: [tickets]}]""", "may take a regulated alert"),
    ("""[{matchers: ['regulated="true"'], tier: digest, receivers: [tickets]}]""", "opens no ticket at once"),
    ("""[{matchers: ['regulated="true"', 'a="b"'], tier: channel, receivers: [tickets]}]""", "that no route matches"),
    ("""[{matchers: ['regulated="true"'], receivers: [tickets], routes: [{matchers: ['a="b"'], receivers: [chat]}]}]""",
     "may take a regulated alert"),
]  # fmt: skip


@pytest.mark.parametrize("routes", GOOD)
def test_rules_that_always_open_a_ticket_are_taken(tmp_path, routes):
    """Each way of writing it is understood."""
    assert loaded(tmp_path, routes).route_count


@pytest.mark.parametrize(("routes", "problem"), BAD)
def test_rules_that_let_one_through_are_refused(tmp_path, routes, problem):
    """With the route that does, in one line."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, routes)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


MATCHERS = st.lists(
    st.sampled_from(
        ['regulated="true"', 'regulated!="true"', 'regulated=~"t.*"', 'team="a"', 'team!="a"', 'severity="critical"']
    ),
    max_size=2,
    unique=True,
)
ROUTES = st.recursive(
    st.just([]),
    lambda inner: st.lists(
        st.tuples(MATCHERS, st.sampled_from(["page", "channel", "digest", None]), st.booleans(), st.booleans(), inner),
        max_size=3,
    ),
    max_leaves=8,
)


def written(routes) -> list[dict[str, object]]:
    """As YAML has it."""
    return [
        {"matchers": matchers, "receivers": ["tickets"] if ticket else ["chat"], "continue": goes_on,
         "routes": written(below), **({"tier": tier} if tier else {})}
        for matchers, tier, ticket, goes_on, below in routes
    ]  # fmt: skip


@given(ROUTES, st.sampled_from(["a", "b", ""]), st.sampled_from(["critical", "error", "info"]))
def test_what_is_proven_holds_for_every_alert(tmp_path_factory, routes, team, severity):
    """Whatever rules are accepted: a regulated alert comes to a ticket at once, whatever its other labels."""
    import json  # noqa: PLC0415 - JSON is YAML

    try:
        config = loaded(tmp_path_factory.getbasetemp(), json.dumps(written(routes)))
    except ConfigurationError:
        return
    if "regulated" not in json.dumps(written(routes)):
        return
    alert = make_alert(severity, team=team, regulated="true")
    told = [tiers.policy(node, alert.severity) for node in route(alert, config.routes)] or [config.unrouted]
    assert any("tickets" in policy.receivers and policy.tier != "digest" for policy in told)


def test_routes_and_matchers_that_are_dead_are_named(tmp_path):
    """A route behind one that takes all, and one that contradicts itself or its parent."""
    warnings = loaded(
        tmp_path,
        """[{matchers: ['a="1"'], receivers: [chat]}, {matchers: ['a="1"', 'b="2"'], receivers: [chat]},
            {matchers: ['c="1"', 'c=~"2|3"'], receivers: [chat]},
            {matchers: ['d="1"'], receivers: [chat], routes: [{matchers: ['d!="1"']}]}, {receivers: [tickets]}]""",
    ).warnings
    assert len(warnings) == 3
    assert 'route /{a="1",b="2"} is never reached: /{a="1"} before it' in warnings[0]
    assert 'c=~"2|3" contradicts c="1"' in warnings[1]
    assert 'd!="1" contradicts d="1"' in warnings[2]


def test_two_that_escalate_are_warned_of(tmp_path):
    """PagerDuty escalates by itself; without its webhook the router does not know that somebody reacted."""
    rules = """version: 1
receivers: {pd: {pagerduty: {routing_key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk}}}
routes: [{tier: page, receivers: [pd], escalate: [{after: 15m, receivers: [pd]}]}]
"""
    (warning,) = make_config(tmp_path, rules).warnings
    assert "receivers.pd escalates by itself" in warning
    more = "intake: {pagerduty: {auth: {hmac: {scheme: pagerduty, secrets: [0123456789abcdef]}}}}\n"
    assert make_config(tmp_path, rules + more).warnings == ()
