"""alerts.yaml: what it says is what happens, and a mistake is one line: place, key, value, what is allowed."""

from __future__ import annotations

import json
import textwrap
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_values import MINIMAL, make_config

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import Listen, durations, load
from llmtrace.router.model import Tier
from llmtrace.router.notifiers import KINDS

RECEIVERS = "receivers: {ops: {console: {}}, other: {console: {}}}"


def line_of(folder, text: str, **arguments) -> str:
    """The error's line; it must be one."""
    with pytest.raises(ConfigurationError) as caught:
        make_config(folder, text, **arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_the_smallest_file_works_as_it_stands(tmp_path):
    """The example of the documentation gives one route, the built-in tiers and safe places."""
    config = make_config(tmp_path, MINIMAL)
    (route,) = config.routes
    page = route.policies[Tier.PAGE]
    assert page.receivers == ("hook",)
    assert (page.group_by, page.group_wait, page.repeat_interval) == (
        ("alertname", "service"), timedelta(0), timedelta(hours=4)
    )  # fmt: skip
    assert config.listen == Listen("127.0.0.1", 4319)
    assert config.external_url is None
    assert config.store == str(tmp_path / "router.db")
    assert config.links.trace_url("ab", "cd") == "http://localhost:6006/redirects/traces/ab"
    assert config.unrouted.tier is Tier.DIGEST


def test_a_child_beats_its_parents_they_beat_the_tier_and_lists_are_replaced(tmp_path):
    """What the child says counts, then its parent's words, then its tier's, then the built-ins."""
    config = make_config(
        tmp_path,
        f"""
        version: 1
        {RECEIVERS}
        tiers: {{channel: {{receivers: [other], group_wait: 7s, group_interval: 8s}}}}
        routes:
          - tier: channel
            group_wait: 1m
            receivers: [ops, other]
            group_by: [alertname, team]
            routes:
              - {{matchers: ['team="a"'], receivers: [ops], group_by: [service]}}
              - {{matchers: ['team="b"'], tier: page}}
        """,
    )
    parent = config.routes[0]
    child, paging = parent.children
    of_parent, of_child = parent.policies[Tier.CHANNEL], child.policies[Tier.CHANNEL]
    assert of_parent.receivers == ("ops", "other")
    assert of_child.receivers == ("ops",)
    assert of_child.group_by == ("service",)
    assert of_child.group_wait == timedelta(minutes=1)
    assert of_child.group_interval == timedelta(seconds=8)
    assert of_child.repeat_interval == timedelta(hours=12)
    assert paging.policies[Tier.PAGE].group_wait == timedelta(minutes=1)
    assert paging.policies[Tier.PAGE].group_interval == timedelta(minutes=1)
    assert [node.id for node in (parent, child, paging)] == ["/{}", '/{}/{team="a"}', '/{}/{team="b"}']


def test_a_route_keeps_its_name_when_routes_are_reordered(tmp_path):
    """A route is named by its matchers, so what was told for it stays known; twins are numbered."""
    twin = "{matchers: ['a=\"1\"'], receivers: [ops], tier: page}"
    other = "{matchers: ['b=\"1\"'], receivers: [ops], tier: page}"
    one, two = (
        make_config(tmp_path, f"version: 1\n{RECEIVERS}\nroutes: [{', '.join(routes)}]")
        for routes in ([twin, twin, other], [other, twin, twin])
    )
    assert [node.id for node in one.routes] == ['/{a="1"}', '/{a="1"}#2', '/{b="1"}']
    assert {node.id for node in one.routes} == {node.id for node in two.routes}


def test_muted_hours_are_not_inherited(tmp_path):
    """As in Alertmanager a child of a muted route is told, unless it or its tier says otherwise."""
    config = make_config(
        tmp_path,
        f"""
        version: 1
        {RECEIVERS}
        time_intervals: {{night: [{{times: [{{start_time: '20:00', end_time: '24:00'}}]}}]}}
        tiers: {{channel: {{receivers: [ops], mute_time_intervals: [night]}}}}
        routes:
          - {{tier: page, receivers: [ops], mute_time_intervals: [night],
             routes: [{{matchers: ['a="1"']}}, {{matchers: ['b="1"'], tier: channel}}]}}
        """,
    )
    paging, writing = config.routes[0].children
    assert paging.policies[Tier.PAGE].mute_time_intervals == ()
    assert writing.policies[Tier.CHANNEL].mute_time_intervals == ("night",)


def test_variables_are_filled_in_and_a_doubled_dollar_is_literal(tmp_path):
    """${NAME} comes from the environment, $${ stands for ${ itself."""
    text = MINIMAL.replace("9099/hook", "${PORT}/$${x}")
    config = make_config(tmp_path, text, {"PORT": "9100"})
    assert config.receivers["hook"]["webhook"].url == "http://127.0.0.1:9100/${x}"


def test_secrets_are_in_no_repr_and_in_no_error(tmp_path):
    """Neither the configuration's repr nor an error shows what a variable or a secret key holds."""
    text = MINIMAL.replace("allow_private: true", "allow_private: true, secret: '${SECRET}'").replace(
        "/hook", "/${KEY}"
    )
    good = {"SECRET": "whsec_" + "A" * 32, "KEY": "canary"}
    shown = repr(make_config(tmp_path, text, good))
    assert "AAAA" not in shown
    assert "canary" not in shown
    assert "canary" not in line_of(tmp_path, text, environ={"SECRET": "canary", "KEY": "x"})
    assert "canary" not in line_of(tmp_path, text.replace("'${SECRET}'", "canary"), environ=good)
    assert "canary" not in line_of(tmp_path, text.replace("http://", "http://me:canary@"), environ=good)


def test_flag_beats_environment_beats_file(tmp_path):
    """--listen wins over LLMTRACE_ROUTER_LISTEN, and that over the file."""
    text = MINIMAL + "    listen: 127.0.0.1:1\n"
    environ = {"LLMTRACE_ROUTER_LISTEN": "127.0.0.1:2"}
    assert make_config(tmp_path, text).listen.port == 1
    assert make_config(tmp_path, text, environ).listen.port == 2
    assert make_config(tmp_path, text, environ, listen="[::1]:3").listen == Listen("::1", 3)
    assert "--listen: 'nonsense' is no address" in line_of(tmp_path, text, listen="nonsense")
    assert "LLMTRACE_ROUTER_LISTEN" in line_of(tmp_path, text, environ={"LLMTRACE_ROUTER_LISTEN": "4319"})


def test_the_hash_names_the_text_of_the_rules(tmp_path):
    """Another rule gives another hash; another secret does not."""
    text = MINIMAL.replace("/hook", "/${KEY}")
    assert make_config(tmp_path, text, {"KEY": "a"}).hash == make_config(tmp_path, text, {"KEY": "b"}).hash
    assert (
        make_config(tmp_path, text + "# changed", {"KEY": "a"}).hash != make_config(tmp_path, text, {"KEY": "a"}).hash
    )


def test_oddities_are_warnings(tmp_path):
    """A missing last route and an unused receiver are said; a complete file has none."""
    assert len(make_config(tmp_path, MINIMAL).warnings) == 1
    text = f"version: 1\n{RECEIVERS}\nroutes: [{{receivers: [ops]}}]"
    (unused,) = make_config(tmp_path, text).warnings
    assert str(unused) == "2:33: receivers.other: no route and no tier names it"
    assert make_config(tmp_path, text.replace(", other: {console: {}}", "")).warnings == ()


ODD = {
    "an interval that nobody uses": (
        "time_intervals: {night: [{weekdays: [monday]}]}\nroutes: [{receivers: [ops]}]",
        "3:18: time_intervals.night: no route and no tier names it",
    ),
    "a silence of nothing": (
        "silences: [{matchers: ['a=\"1\"', 'a=\"2\"'], ends_at: 2027-01-01}]\nroutes: [{receivers: [ops]}]",
        '3:13: silences[0].matchers: matches no alert: a="2" contradicts a="1"',
    ),
    "an inhibition by nothing": (
        "routes: [{receivers: [ops]}]\ninhibit: [{source_matchers: ['severity=\"fatal\"'], target_matchers: ['a=1']}]",
        '4:12: inhibit[0].source_matchers: matches no alert: severity="fatal" is no severity; allowed: critical, e',
    ),
    "a digest that escalates": (
        "routes: [{tier: digest, receivers: [ops], escalate: [{after: 1m, receivers: [ops]}]}]",
        "3:43: routes[0].escalate: a digest opens no incident",
    ),
    "a repetition that waits": (
        "routes: [{tier: page, receivers: [ops], repeat_interval: 30s}]",
        "3:41: routes[0].repeat_interval: shorter than group_interval (1m), which repetitions wait for too",
    ),
}


@pytest.mark.parametrize("oddity", ODD)
def test_each_oddity_is_named_with_its_place(tmp_path, oddity):
    """Line, column, key and what is odd, for whatever changes nothing where it stands."""
    rules, expected = ODD[oddity]
    (warning,) = make_config(tmp_path, f"version: 1\nreceivers: {{ops: {{console: {{}}}}}}\n{rules}").warnings
    assert str(warning).startswith(expected)


PAGING = "version: 1\nreceivers: {a: {console: {}}}\ntiers:\n  page: {receivers: [a], escalate: "
CHILD = "- tier: page\n  receivers: [a]\n  escalate: [{after: 2h, receivers: [a]}]\n  routes:\n    - tier: channel"
MISTAKES = {
    "unknown key": (
        "version: 1\nreciever: {}",
        "alerts.yaml:2:1: reciever: no such key; allowed: enrich, external_url, fallback,",
    ),
    "key of a later version": (
        "version: 1\nmonitors: []",
        "alerts.yaml:2:1: monitors: this key is not available in this version",
    ),
    "escalation to nobody": (
        PAGING + "[{after: 5m, receivers: [b]}]}",
        "alerts.yaml:4:61: tiers.page.escalate[0].receivers[0]: 'b' is no receiver of this file",
    ),
    "escalation after the end": (
        PAGING + "[{after: 2h, receivers: [a]}]}",
        "alerts.yaml:4:26: tiers.page.escalate: an alert that does not recur is over after 1h, and the last step",
    ),
    "end before the escalation": (
        PAGING + "[{after: 15m, receivers: [a]}]}\nroutes:\n  - {tier: page, resolve_after: 10m}",
        "alerts.yaml:6:18: routes[0].resolve_after: an alert that does not recur is over after 10m, and the last step",
    ),
    "end with the escalation": (
        PAGING + "[{after: 15m, receivers: [a]}]}\nroutes:\n  - {tier: page, resolve_after: 16m}",
        "opens, up to 1m after the alert; allowed: resolve_after longer than 16m",
    ),
    "escalation of a parent after the end of the child's tier": (
        "version: 1\nreceivers: {a: {console: {}}}\ntiers: {page: {resolve_after: 3h}}\nroutes:\n" + CHILD,
        "alerts.yaml:9:7: routes[0].routes[0]: an alert that does not recur is over after 1h",
    ),
    "escalation out of order": (
        PAGING + "[{after: 15m, receivers: [a]}, {after: 15m, receivers: [a]}]}",
        "alerts.yaml:4:26: tiers.page.escalate: not in order",
    ),
    "version": (
        "version: 2\nreceivers: {a: {console: {}}}",
        "alerts.yaml:1:10: version: '2' is not allowed; allowed: 1",
    ),
    "no version": ("receivers: {a: {console: {}}}", "alerts.yaml:1:1: version: missing"),
    "no receivers": ("version: 1", "alerts.yaml:1:1: receivers: no receiver; at least one is needed"),
    "empty file": ("", "alerts.yaml:1:1: not a mapping; allowed keys: version, listen"),
    "unknown notifier": (
        "version: 1\nreceivers:\n  a: {carrier-pigeon: {key: x}}",
        "alerts.yaml:3:7: receivers.a.carrier-pigeon: no such notifier in this version; allowed: console, webhook",
    ),
    "another form": (
        "version: 1\nreceivers:\n  a: {slack_bot: {token: t, channel: ai-ops}}",
        "receivers.a.slack_bot.channel: 'ai-ops' is not of the form that it must have; allowed: ^(#[^",
    ),
    "no notifier": ("version: 1\nreceivers: {a: {}}", "receivers.a: no notifier; allowed: one or more of console"),
    "unknown setting": (
        "version: 1\nreceivers: {a: {webhook: {urll: x}}}",
        "alerts.yaml:2:27: receivers.a.webhook.urll: no such key; allowed: allow_private, max_alerts, secret, url",
    ),
    "unknown receiver": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - receivers: [a, b]",
        "alerts.yaml:4:20: routes[0].receivers[1]: 'b' is no receiver of this file; allowed: a",
    ),
    "unknown receiver of a tier": (
        "version: 1\nreceivers: {a: {console: {}}}\ntiers: {page: {receivers: [b]}}",
        "alerts.yaml:3:28: tiers.page.receivers[0]: 'b' is no receiver",
    ),
    "unknown tier": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes: [{tier: paeg, receivers: [a]}]",
        "alerts.yaml:3:17: routes[0].tier: 'paeg' is not allowed; allowed: 'page', 'channel' or 'digest'",
    ),
    "unknown tier with defaults": (
        "version: 1\nreceivers: {a: {console: {}}}\ntiers: {paeg: {}}",
        "'page', 'channel' or 'digest'",
    ),
    "page to nobody": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - tier: page",
        "alerts.yaml:4:5: routes[0].receivers: missing for tier page; name a receiver here",
    ),
    "unquoted matcher": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - matchers: [severity=critical]",
        "alerts.yaml:4:16: routes[0].matchers[0]: 'severity=critical' is without quotes",
    ),
    "bare matcher": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - matchers: severity=critical",
        "alerts.yaml:4:15: routes[0].matchers: 'severity=critical' is no list of matchers; allowed: a list of quoted",
    ),
    "matcher mapping": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - matchers: {severity: critical}",
        "alerts.yaml:4:15: routes[0].matchers: no list of matchers; allowed: a list of quoted",
    ),
    "matcher mapping in a list": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - matchers: [{severity: critical}]",
        "alerts.yaml:4:16: routes[0].matchers[0]: no matcher; allowed: a quoted string",
    ),
    "wrong matcher": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes:\n  - matchers: ['severity']",
        "alerts.yaml:4:16: routes[0].matchers[0]: 'severity' is no matcher: not of the form",
    ),
    "wrong duration": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes: [{receivers: [a], group_wait: 5 minutes}]",
        "alerts.yaml:3:39: routes[0].group_wait: '5 minutes' is not a duration of at most 10y such as 0s, 30s",
    ),
    "wrong label": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes: [{receivers: [a], group_by: ['a-b']}]",
        "routes[0].group_by[0]: 'a-b' is no label name",
    ),
    "all labels and one": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes: [{receivers: [a], group_by: ['...', service]}]",
        "alerts.yaml:3:37: routes[0].group_by: '...' beside other labels; allowed: ['...'] alone for all labels",
    ),
    "a label twice": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes: [{receivers: [a], group_by: [team, team]}]",
        "routes[0].group_by: a label that is named twice",
    ),
    "no list": (
        "version: 1\nreceivers: {a: {console: {}}}\nroutes: {receivers: [a]}",
        "alerts.yaml:3:9: routes: not a list",
    ),
    "no mapping": ("version: 1\nreceivers: [a]", "alerts.yaml:2:12: receivers: not a mapping"),
    "wrong url": (
        "version: 1\nreceivers: {a: {webhook: {url: example.org}}}",
        "alerts.yaml:2:32: receivers.a.webhook.url: 'example.org' is no URL; allowed: http://host",
    ),
    "url with a broken port": (
        "version: 1\nreceivers: {a: {webhook: {url: 'https://example.org:99999/'}}}",
        "receivers.a.webhook.url: 'https://example.org:99999/' is no URL",
    ),
    "url of another scheme": (
        "version: 1\nreceivers: {a: {webhook: {url: 'ftp://example.org'}}}",
        "'ftp://example.org' is no URL",
    ),
    "plain http": (
        "version: 1\nreceivers: {a: {webhook: {url: 'http://example.org'}}}",
        "alerts.yaml:2:27: receivers.a.webhook.url: not encrypted; allowed: https://..., or allow_private: true",
    ),
    "private address": (
        "version: 1\nreceivers: {a: {webhook: {url: 'https://10.0.0.1/'}}}",
        "receivers.a.webhook.url: a private address; allowed: a public one, or allow_private: true beside it",
    ),
    "wrong secret": (
        "version: 1\nreceivers: {a: {webhook: {url: 'https://example.org', secret: s}}}",
        "receivers.a.webhook.secret: no signing secret; allowed: whsec_ and then 24 to 64 bytes in base64",
    ),
    "negative number": (
        "version: 1\nreceivers: {a: {webhook: {url: 'https://example.org', max_alerts: -1}}}",
        "receivers.a.webhook.max_alerts: '-1' is not allowed: ",
    ),
    "wrong listen": (
        "version: 1\nlisten: 4319\nreceivers: {a: {console: {}}}",
        "alerts.yaml:2:9: listen: '4319' is no address to listen on; allowed: host:port such as 127.0.0.1:4319",
    ),
    "listen to all without a key": (
        "version: 1\nlisten: 0.0.0.0:4319\nweb: {auth: {bearer: [0123456789abcdef]}}\nreceivers: {a: {console: {}}}",
        "alerts.yaml:2:9: listen: '0.0.0.0:4319' is reachable from other machines, which needs intake.auth; allowed",
    ),
    "wrong store": (
        "version: 1\nstore: mysql://x\nreceivers: {a: {console: {}}}",
        "alerts.yaml:2:8: store: 'mysql://x' is no store; allowed: sqlite:///FILE",
    ),
    "store in memory": (
        "version: 1\nstore: 'sqlite:///:memory:'\nreceivers: {a: {console: {}}}",
        "is no store",
    ),
    "wrong link": (
        "version: 1\nlinks: {trace: 'http://phoenix/{id}'}\nreceivers: {a: {console: {}}}",
        "links.trace: 'http://phoenix/{id}' is no link to a trace; allowed: a URL that holds {trace_id}",
    ),
    "missing variable": (
        'version: 1\nreceivers:\n  a: {webhook: {url: "${NOT_SET}"}}',
        "alerts.yaml:3:22: ${NOT_SET}: the environment variable NOT_SET is not set",
    ),
    "wrong variable": ('version: 1\nstore: "${a b}"', "alerts.yaml:2:8: '${a b}' names no environment variable"),
    "open variable": ('version: 1\nstore: "${a"', "names no environment variable"),
    "key twice": ("version: 1\nversion: 1", "alerts.yaml:2:1: the key 'version' stands twice"),
    "no YAML": ("version: [1", "alerts.yaml:1:12: "),
    "a tag that would build an object": ("!!python/object:os.system {}", "alerts.yaml:1:1: could not determine"),
    "itself inside itself": ("version: 1\nroutes: &a [*a]\nreceivers: {a: {console: {}}}", "alerts.yaml:"),
    "a scalar called a mapping": ("!!map text", "alerts.yaml:1:1: expected a mapping"),
    "a list as a key": ("{[a]: 1}", "alerts.yaml:1:2: "),
    "a control character": ("version: \x01", "alerts.yaml: not YAML"),
    "a date that is none": ("version: 2026-13-99", "alerts.yaml: not YAML"),
    "bottomless": ("[" * 5000, "alerts.yaml: not YAML that can be used: nested too deeply"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_with_place_key_value_and_what_is_allowed(tmp_path, mistake):
    """Each kind of mistake is named where it stands."""
    text, expected = MISTAKES[mistake]
    assert expected in line_of(tmp_path, text)


def test_more_mistakes_are_counted(tmp_path):
    """The first mistake is shown, and how many more there are."""
    message = line_of(tmp_path, "version: 2\nlisten: x\nreceivers: {a: {console: {}}}")
    assert message.endswith("(and 1 more)")


def test_a_file_that_cannot_be_read_is_one_line(tmp_path):
    """A missing file, a folder and bytes that are no text are named with their path."""
    binary = tmp_path / "alerts.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    for file, problem in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory"), (binary, "not UTF-8")):
        with pytest.raises(ConfigurationError, match=problem):
            load(file, {}, KINDS)


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_one_line(tmp_path_factory, text):
    """Nothing that stands in the file gets past as another error."""
    file = tmp_path_factory.getbasetemp() / "alerts.yaml"
    file.write_bytes(text.encode("utf-8", "replace"))
    with pytest.raises(ConfigurationError) as caught:
        load(file, {}, KINDS)
    assert "\n" not in str(caught.value)


pieces = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.sampled_from(["page", "a", "5m"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["receivers", "routes", "tiers", "page", "matchers", "tier", "console", "webhook", "url"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@given(pieces, pieces, pieces)
def test_any_shape_is_a_configuration_or_one_line(tmp_path_factory, receivers, tiers, routes):
    """Right keys with wrong values of any kind are errors of the same form."""
    file = tmp_path_factory.getbasetemp() / "alerts.yaml"
    file.write_text(json.dumps({"version": 1, "receivers": receivers, "tiers": tiers, "routes": routes}))
    try:
        load(file, {}, KINDS)
    except ConfigurationError as error:
        assert "\n" not in str(error)  # noqa: PT017 - a file that happens to be right is fine too


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("30s", 30),
        ("5m", 300),
        ("1h30m", 5400),
        ("1d12h", 129_600),
        ("250ms", 0.25),
        ("1w", 604_800),
    ],
)
def test_durations_are_prometheus(text, seconds):
    """Units in falling order, each once."""
    assert durations.parse(text) == timedelta(seconds=seconds)


@given(st.timedeltas(timedelta(0), timedelta(days=3650)).map(lambda each: each - each % timedelta(milliseconds=1)))
def test_durations_read_back_what_they_write(duration):
    """To the millisecond, whatever its units."""
    assert durations.parse(durations.text(duration)) == duration


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5m1h", "5 m", "1.5h", "11y", "99999999999s", "٣s"])
def test_what_is_no_duration_is_refused(text):
    """Neither a bare number nor a negative, fractional or endless one."""
    with pytest.raises(ValueError, match="not a duration"):
        durations.parse(text)


def test_what_is_not_there_yet_is_refused(tmp_path):
    """A key of a later version is refused by its name, not half obeyed."""
    text = textwrap.dedent("""
        version: 1
        receivers: {ops: {console: {}}}
        monitors: []
    """)
    assert "monitors: this key is not available in this version" in line_of(tmp_path, text)
