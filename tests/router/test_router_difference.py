"""The difference of two versions of the rules, over alerts that came in: for a terminal and for a pull request."""

from __future__ import annotations

import json

import pytest
from router_process import RouterProcess
from router_store import world_of
from router_values import make_alert, make_config, make_request, make_span, make_tag
from waiting import wait_until

from llmtrace.cli import main
from llmtrace.router.rehearsal import as_markdown, differences

OLD = """
    version: 1
    receivers: {on-call: {console: {}}, ops: {console: {}}}
    routes:
      - {matchers: ['severity="critical"'], tier: page, receivers: [on-call]}
      - {tier: channel, receivers: [ops]}
"""
NEW = OLD.replace('severity="critical"', 'severity=~"critical|error"')
SHADOW = OLD + "    rollout: [{matchers: ['alertname=\"slow\"'], mode: shadow}]\n"


@pytest.fixture
def files(tmp_path):
    """Two versions of the rules, and a store in which three alerts came in."""
    with world_of(make_config(tmp_path, OLD)) as world:
        world.accept(make_alert(), make_alert("error", alertname="slow"), make_alert("error", alertname="slow"))
        world.turn()
    (tmp_path / "alerts.yaml").rename(tmp_path / "old.yaml")
    make_config(tmp_path, NEW)
    return str(tmp_path / "old.yaml"), str(tmp_path / "alerts.yaml")


def test_it_says_which_alerts_go_another_way(files, capsys):
    """As a table: how many of the last ones, with an example, before and after."""
    assert main(["router", "diff", *files, "--exit-code"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "2 of 3 alerts would be routed otherwise",
        "     2  slow  (service=bot, severity=error)",
        "     - channel: ops",
        "     + page: on-call",
    ]
    assert main(["router", "diff", *files, "--last", "2", "--markdown"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "**2 of 2 alerts would be routed otherwise**",
        "",
        "| alerts | name | for example | before | after |",
        "|---:|---|---|---|---|",
        "| 2 | slow | service=bot, severity=error | channel: ops | page: on-call |",
    ]


def test_rules_that_say_the_same_differ_in_nothing(files, capsys):
    """Status 0 then."""
    assert main(["router", "diff", files[0], files[0], "--exit-code"]) == 0
    assert capsys.readouterr().out == "none of 3 alerts goes another way\n"


def test_a_rule_that_goes_into_shadow_is_a_difference(tmp_path):
    """With what it would be."""
    old, new = make_config(tmp_path, OLD), make_config(tmp_path, SHADOW)
    (change,) = differences([make_alert(alertname="slow"), make_alert()], old, new)
    assert (change.before, change.after) == (("page: on-call",), ("shadow (would be page: on-call)",))


def test_what_senders_wrote_is_no_markdown(tmp_path):
    """A label cannot break out of its cell, nor mention anybody."""
    odd = make_alert("error", alertname="x | @team [a](b) `c`\n|")
    text = list(as_markdown(differences([odd], make_config(tmp_path, OLD), make_config(tmp_path, NEW)), 1))
    assert text[-1].startswith(r"| 1 | x \| \@team \[a\](b) \`c\`\| |")


def test_a_running_router_or_its_saved_answer_can_be_asked(files, tmp_path, capsys):
    """Where the store is elsewhere, as in CI."""
    rules = tmp_path / "alerts.yaml"
    with RouterProcess(rules) as router:
        router.post(make_request(make_span(make_tag("error", key="slow"))))
        wait_until(lambda: len(router.get("alerts")) == 4, "the alert is decided, beside the three of before")
        assert main(["router", "diff", *files, "--url", str(router.client.base_url)]) == 0
        asked = capsys.readouterr().out
        saved = router.client.get("/api/v1/alerts").json()
    assert asked.splitlines()[2:] == ["     - channel: ops", "     + page: on-call"]
    (tmp_path / "alerts.json").write_text(json.dumps(saved))
    assert main(["router", "diff", *files, "--alerts", str(tmp_path / "alerts.json")]) == 0
    assert capsys.readouterr().out == asked
    (tmp_path / "alerts.json").write_text("[]")
    assert main(["router", "diff", *files, "--alerts", str(tmp_path / "alerts.json")]) == 2
