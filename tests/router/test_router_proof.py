"""What check proves of the rules: regulated alerts always open a ticket; dead routes and matchers are named."""

from __future__ import annotations

import json
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import make_alert, make_config

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config.proof import dead_matchers, unreachable
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
    assert 'route /{a="1",b="2"} is never reached: /{a="1"} before it' in warnings[0].text
    assert [warning.key for warning in warnings] == ["routes[1]", "routes[2]", "routes[3].routes[0]"]
    assert 'c=~"2|3" contradicts c="1"' in warnings[1].text
    assert 'd!="1" contradicts d="1"' in warnings[2].text


DEAD = [
    ("""[{matchers: ['severity="critcal"'], receivers: [chat]}]""", "is no severity; allowed: critical, e"),
    ("""[{matchers: ['severity="error"', 'severity=~"info|warning"'], receivers: [chat]}]""", "contradicts"),
    ("""[{matchers: ['value>5', 'value<=5'], receivers: [chat]}]""", 'value<="5" contradicts value>"5"'),
    ("""[{matchers: ['value>5'], receivers: [chat], routes: [{matchers: ['value<"4"']}]}]""", "contradicts"),
    ("""[{matchers: ['team="a"', 'team>3'], receivers: [chat]}]""", "contradicts"),
    ("""[{matchers: ['severity=~"critical|error"'], receivers: [chat]},
        {matchers: ['severity="warning"'], receivers: [chat]}, {matchers: ['severity!="info"'], receivers: [chat]}]""",
     'never reached: /{severity=~"critical|error"} and /{severity="warning"} before it'),
    ("""[{matchers: ['team=~"a|b|c"'], receivers: [chat]}, {matchers: ['team=~"c|a"', 'x="1"'], receivers: [chat]}]""",
     "never reached"),
    ("""[{matchers: ['team="a"'], receivers: [chat]}, {matchers: ['team="b"'], receivers: [chat]},
        {matchers: ['team=~"a|b"'], receivers: [chat]}]""", 'never reached: /{team="a"} and /{team="b"}'),
    ("""[{matchers: ['value>3'], receivers: [chat]}, {matchers: ['value>=3.5'], receivers: [chat]}]""", "never"),
    ("""[{matchers: ['team="a"'], receivers: [chat],
          routes: [{matchers: ['team=~"a.*"']}, {matchers: ['team!="b"']}]}]""", 'team=~"a.*"} before it'),
]  # fmt: skip
ALIVE = [
    """[{matchers: ['severity=~"critical|error"'], receivers: [chat]},
        {matchers: ['severity!="info"'], receivers: [chat]}]""",
    """[{matchers: ['a="1"'], receivers: [chat], continue: true}, {matchers: ['a="1"'], receivers: [chat]}]""",
    """[{matchers: ['team=~"a.*"'], receivers: [chat]}, {matchers: ['team=~"ab.*"'], receivers: [chat]}]""",
    """[{matchers: ['value>3.5'], receivers: [chat]}, {matchers: ['value>3'], receivers: [chat]}]""",
    """[{matchers: ['value>3'], receivers: [chat]}, {matchers: ['value=""'], receivers: [chat]}]""",
    """[{matchers: ['team=""', 'team>3'], receivers: [chat]}]""",
]


@pytest.mark.parametrize(("routes", "problem"), DEAD)
def test_each_way_of_being_dead_is_found(tmp_path, routes, problem):
    """No such severity, words and numbers that exclude each other, and routes taken by several before them."""
    (warning,) = loaded(tmp_path, routes[:-1] + ", {receivers: [tickets, chat]}]").warnings
    assert problem in warning.text


@pytest.mark.parametrize("routes", ALIVE)
def test_what_may_be_reached_is_not_called_dead(tmp_path, routes):
    """Where some alert comes to every route there is no warning."""
    assert loaded(tmp_path, routes[:-1] + ", {receivers: [tickets, chat]}]").warnings == ()


WORDS = st.sampled_from(["a", "b", ""])
NUMBERS = st.sampled_from(["1", "2", "2.5", "x"])
ANY_MATCHER = st.one_of(
    st.builds('team{}"{}"'.format, st.sampled_from(["=", "!="]), WORDS),
    st.builds('team{}"{}"'.format, st.sampled_from(["=~", "!~"]), st.sampled_from(["a|b", "a.*", ".+", "", "b|"])),
    st.builds('severity{}"{}"'.format, st.sampled_from(["=", "!=", "=~"]), st.sampled_from(["critical", "info", "x"])),
    st.builds("value{}{}".format, st.sampled_from([">", ">=", "<", "<="]), st.sampled_from(["1", "2"])),
    st.builds('value="{}"'.format, NUMBERS),
)
ANY_ROUTES = st.recursive(
    st.just([]),
    lambda inner: st.lists(st.tuples(st.lists(ANY_MATCHER, max_size=3), st.booleans(), inner), max_size=4),
    max_leaves=8,
)


def dead_names(config) -> set[str]:
    """The routes that check calls dead, and those below them."""
    named = {finding.node.id for find in (unreachable, dead_matchers) for finding in find(config.routes)}
    return {node for node in every(config.routes) if any(node == name or node.startswith(name + "/") for name in named)}


def every(nodes) -> list[str]:
    """The name of each node."""
    return [name for node in nodes for name in (node.id, *every(node.children))]


@given(ANY_ROUTES, st.data())
def test_no_alert_comes_to_a_route_that_is_called_dead(tmp_path_factory, routes, data):
    """Whatever the rules and the alert: what check says of reachability holds."""

    def plain(some):
        return [
            {"matchers": matchers, "receivers": ["chat"], "continue": goes_on, "routes": plain(below)}
            for matchers, goes_on, below in some
        ]

    config = loaded(tmp_path_factory.getbasetemp(), json.dumps(plain(routes)))
    dead = dead_names(config)
    for _ in range(10):
        severity, team = data.draw(st.sampled_from(["critical", "error", "info"])), data.draw(WORDS)
        label, measure = data.draw(st.none() | NUMBERS), data.draw(NUMBERS)
        alert = make_alert(severity, {"value": measure}, team=team, **({"value": label} if label else {}))
        assert not {node.id for node in route(alert, config.routes)} & dead


def test_the_proof_names_the_route_and_its_place(tmp_path):
    """Line and column of the route that lets a regulated alert through."""
    rules = RECEIVERS + "routes:\n  - {matchers: ['regulated=\"true\"'], tier: page, receivers: [chat]}\n"
    with pytest.raises(ConfigurationError, match=r"alerts\.yaml:6:5: routes\[0\]: route .* opens no ticket at once"):
        make_config(tmp_path, rules, {"T": "t"})


def test_a_thousand_routes_are_checked_at_once(tmp_path):
    """A large file is read in seconds, and none of its routes is called dead."""
    routes = [{"matchers": [f'team="{number}"', 'severity!="info"'], "receivers": ["chat"]} for number in range(1000)]
    started = monotonic()
    config = loaded(tmp_path, json.dumps([*routes, {"receivers": ["tickets"]}]))
    assert monotonic() - started < 10
    assert config.warnings == ()


def test_two_that_escalate_are_warned_of(tmp_path):
    """PagerDuty escalates by itself; without its webhook the router does not know that somebody reacted."""
    rules = """version: 1
receivers: {pd: {pagerduty: {routing_key: kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk}}}
routes: [{tier: page, receivers: [pd], escalate: [{after: 15m, receivers: [pd]}]}]
"""
    (warning,) = make_config(tmp_path, rules).warnings
    assert (warning.line, warning.key) == (2, "receivers.pd")
    assert "escalates by itself" in warning.text
    more = "intake: {pagerduty: {auth: {hmac: {scheme: pagerduty, secrets: [0123456789abcdef]}}}}\n"
    assert make_config(tmp_path, rules + more).warnings == ()


@pytest.mark.parametrize(
    ("notifier", "source"),
    [("splunk_oncall: {api_key: k, routing_key: r}", "splunk_oncall"), ("jsm: {api_key: k}", "opsgenie")],
)
def test_each_that_escalates_has_its_own_webhook(tmp_path, notifier, source):
    """What comes back from another tool does not count; what comes back from its own does."""
    rules = f"""version: 1
receivers: {{on-call: {{{notifier}}}}}
routes: [{{tier: page, receivers: [on-call], escalate: [{{after: 15m, receivers: [on-call]}}]}}]
"""
    auth = "{auth: {bearer: [0123456789abcdef]}}"
    (warning,) = make_config(tmp_path, f"{rules}intake: {{pagerduty: {auth}}}\n").warnings
    assert (warning.line, warning.key) == (2, "receivers.on-call")
    assert warning.text.endswith(f"set intake.{source}.auth and send its webhook to /ingest/{source}")
    assert make_config(tmp_path, f"{rules}intake: {{{source}: {auth}}}\n").warnings == ()


PAGERS = """
    version: 1
    receivers:
      chat: {slack: {webhook_url: "https://hooks.slack.example/services/T/B/x"}}
      mail: {email: {to: [a@example.org]}}
      pager: {splunk_oncall: {api_key: 01234567-89ab-cdef-0123-456789abcdef, routing_key: ops}}
      hook: {webhook: {url: "https://example.org/hook"}}
    tiers: {channel: {receivers: [mail]}}
    routes:
      - PAGE
      - {tier: channel, receivers: [chat, pager, hook]}
"""
WAKES = {
    "{tier: page, matchers: ['a=\"b\"'], receivers: [chat, mail]}": ['/{a="b"} pages and wakes nobody (chat, mail)'],
    "{tier: page, matchers: ['a=\"b\"'], receivers: [chat], escalate: [{after: 5m, receivers: [mail]}]}": [
        "(chat, mail)"
    ],
    "{tier: page, matchers: ['a=\"b\"'], receivers: [chat], escalate: [{after: 5m, receivers: [pager]}]}": [],
    "{tier: page, matchers: ['a=\"b\"'], receivers: [chat, hook]}": [],
    "{matchers: ['a=\"b\"'], receivers: [chat]}": [],
    "{tier: page, matchers: ['a=\"b\"'], receivers: [pager], routes: [{matchers: ['c=\"d\"'], receivers: [chat]}]}": [
        "(chat)"
    ],
}


@pytest.mark.parametrize("page", WAKES)
def test_a_page_that_wakes_nobody_is_warned_of(tmp_path, page):
    """Chats, mails and tickets wake nobody; a pager at once or by a later step does, and a webhook may."""
    found = make_config(tmp_path, PAGERS.replace("PAGE", page)).warnings
    found = [each.text for each in found if "wakes" in each.text]
    assert len(found) == len(WAKES[page])
    assert all(said in text for said, text in zip(WAKES[page], found, strict=True))
