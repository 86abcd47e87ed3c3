"""Rollout: a rule is recorded first, then told in the channel at most, then pages; regulated alerts take no part."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from router_store import world_of
from router_values import NOON, make_alert, make_config

from llmtrace.cli import main
from llmtrace.exceptions import ConfigurationError
from llmtrace.router.decide import place
from llmtrace.router.model import Phase, Rollout, Status, Tier
from llmtrace.router.ports import Retention

RULES = """
    version: 1
    receivers: {on-call: {console: {}}, ops: {console: {}}, legal: {console: {}}}
    tiers: {channel: {receivers: [ops], group_wait: 0s}}
    routes:
      - {matchers: ['severity="critical"'], tier: page, receivers: [on-call], repeat_interval: 1h,
         escalate: [{after: 15m, receivers: [legal]}]}
      - {tier: channel}
"""
SHADOW = "    rollout: [{matchers: ['alertname=\"slow\"'], mode: shadow}]\n"
NOTIFY = SHADOW.replace("shadow", "notify")
HOUR = timedelta(hours=1)


def slow(severity: str = "critical", **labels: str):
    """An alert of the rule that is rolled out, of a source with states."""
    return replace(make_alert(severity, alertname="slow", **labels), ends_at=NOON + 24 * HOUR)


def over(**labels: str):
    """Word that it is over."""
    return replace(slow(**labels), status=Status.RESOLVED, ends_at=NOON)


def told(world, *receivers: str):
    """How many messages each receiver had."""
    return [len(world.sent(receiver)) for receiver in receivers]


@pytest.fixture
def world(tmp_path, store_url):
    """A rule in shadow beside others that page."""
    with world_of(make_config(tmp_path, f"{RULES}{SHADOW}    store: {store_url}\n")) as opened:
        yield opened


def test_in_shadow_all_is_recorded_and_nobody_is_told(world):
    """Decisions, messages that would have been sent, by tier, since when; no incident, no escalation."""
    world.accept(slow(), slow(service="other"), slow("error", service="third"))
    world.turn()
    world.turn(minutes=30)
    assert told(world, "on-call", "ops", "legal") == [0, 0, 0]
    assert (world.records.incidents(9, None), world.records.deliveries(9, None)) == ([], [])
    page, channel = sorted(world.records.rollout(9), key=lambda row: row["tier"], reverse=True)
    assert (page["mode"], page["alertname"], page["tier"]) == ("shadow", "slow", "page")
    assert (page["alerts"], page["notifications"], page["first_at"]) == (2, 2, NOON.isoformat())
    assert (channel["tier"], channel["alerts"], channel["notifications"]) == ("channel", 1, 1)


def test_shadow_counts_what_would_have_been_sent_not_what_came(world):
    """Repetitions are told as seldom as they would have been."""
    for _ in range(5):
        world.accept(slow())
        world.turn(minutes=20)
    (row,) = world.records.rollout(9)
    assert (row["alerts"], row["notifications"]) == (5, 2)


def test_other_rules_page_as_before(world):
    """A rule in shadow changes nothing for others, nor does it hold them back."""
    world.accept(slow(), make_alert(alertname="down"))
    world.turn()
    assert [each.alerts[0].name for each in world.sent("on-call")] == ["down"]


def test_what_is_in_shadow_inhibits_nothing(tmp_path):
    """Nobody hears of it, so that nothing may be held back because of it."""
    inhibit = "    inhibit: [{source_matchers: ['alertname=\"slow\"'], target_matchers: ['alertname=\"down\"']}]\n"
    with world_of(make_config(tmp_path, RULES + SHADOW + inhibit)) as world:
        world.accept(slow(), make_alert(alertname="down"))
        world.turn()
        world.accept(make_alert(alertname="down", service="other"))
        world.turn()
        assert told(world, "on-call") == [2]


def test_notify_tells_the_channel_what_would_page(tmp_path):
    """Capped at channel: its receivers, no escalation, and the end too; what is no page stays as it is."""
    with world_of(make_config(tmp_path, RULES + NOTIFY)) as world:
        world.accept(slow(), slow("error", service="third"))
        world.turn()
        world.turn(minutes=30)
        assert told(world, "on-call", "legal", "ops") == [0, 0, 2]
        assert {each.tier for each in world.sent("ops")} == {Tier.CHANNEL}
        (row,) = world.records.rollout(9)
        assert (row["mode"], row["tier"], row["notifications"]) == ("notify", "page", 1)
        world.accept(over())
        world.turn()
        world.turn(minutes=6)
        assert world.sent("ops")[-1].phase is Phase.RESOLVED


def test_notify_may_name_who_is_told_instead(tmp_path):
    """Receivers of the entry itself."""
    rules = RULES + NOTIFY.replace("mode: notify", "mode: notify, receivers: [legal]")
    with world_of(make_config(tmp_path, rules)) as world:
        world.accept(slow())
        world.turn()
        assert told(world, "on-call", "legal") == [0, 1]


@pytest.mark.parametrize("before", [SHADOW, NOTIFY])
def test_a_rule_that_is_raised_pages_at_once_where_it_still_fires(tmp_path, before):
    """What was recorded or told in the channel counts for nothing when the rule pages."""
    with world_of(make_config(tmp_path, RULES + before)) as world:
        world.accept(slow())
        world.turn()
        world.config = make_config(tmp_path, RULES)
        world.accept(slow())
        world.turn(minutes=1)
        assert told(world, "on-call") == [1]
        assert [row["state"] for row in world.records.incidents(9, None)][:1] == ["open"]


@pytest.mark.parametrize("after", [SHADOW, NOTIFY])
def test_who_was_paged_hears_of_the_end_in_any_mode(tmp_path, after):
    """A rule that is taken back while it fires leaves no incident open."""
    with world_of(make_config(tmp_path, RULES)) as world:
        world.accept(slow())
        world.turn()
        world.config = make_config(tmp_path, RULES + after)
        world.accept(over())
        world.turn(minutes=1)
        world.turn(minutes=6)
        assert [each.phase for each in world.sent("on-call")] == [Phase.FIRING, Phase.RESOLVED]
        assert [row["state"] for row in world.records.incidents(9, None)] == ["resolved"]


def test_a_regulated_alert_is_told_in_every_mode(tmp_path):
    """Neither recorded only nor capped."""
    for mode in ("shadow", "notify"):
        config = make_config(tmp_path, f"{RULES}    rollout: [{{mode: {mode}}}]\n")
        (found,) = place(slow(regulated="true"), config)
        assert (found.policy.tier, found.policy.receivers, found.policy.rollout) == (
            Tier.PAGE, ("on-call",), Rollout.PAGE,
        )  # fmt: skip


@pytest.fixture(scope="module")
def modes(tmp_path_factory):
    """The rules with everything in one mode."""
    folder = tmp_path_factory.mktemp("rules")
    return {mode: make_config(folder, f"{RULES}    rollout: [{{mode: {mode}}}]\n") for mode in Rollout}


@given(
    mode=st.sampled_from(["shadow", "notify"]),
    severity=st.sampled_from(["critical", "error", "warning", "info"]),
    labels=st.dictionaries(st.sampled_from(["team", "service", "regulated"]), st.sampled_from(["", "true", "a"])),
)
def test_no_mode_changes_where_a_regulated_alert_goes(modes, mode, severity, labels):
    """Whatever its labels: by the rules with a rollout of everything it goes where it went without."""
    alert = make_alert(severity, **labels)
    before, after = (place(alert, modes[each])[0].policy for each in ("page", mode))
    if alert.is_regulated:
        assert after == before
    elif mode == "shadow":
        assert after.rollout is Rollout.SHADOW
    else:
        assert after.tier is not Tier.PAGE


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("{matchers: ['regulated=\"true\"'], mode: shadow}", "about regulated alerts, which are told as"),
        ("{mode: shadow, receivers: [ops]}", "with mode shadow, which tells nobody else"),
        ("{mode: notify, receivers: [nobody]}", "no receiver of this file; allowed: on-call, ops, legal"),
        ("{mode: loud}", "allowed: 'shadow', 'notify' or 'page'"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_in_words(tmp_path, entry, problem):
    """With its place; above all one that would hold regulated alerts out of sight."""
    with pytest.raises(ConfigurationError, match=r"rollout\[0\]") as error:
        make_config(tmp_path, f"{RULES}    rollout: [{entry}]\n")
    assert problem in str(error.value)


def test_notify_without_anybody_to_tell_is_refused(tmp_path):
    """Neither the entry nor the channel names a receiver."""
    rules = RULES.replace("receivers: [ops], ", "").replace("- {tier: channel}", "- {tier: channel, receivers: [ops]}")
    with pytest.raises(ConfigurationError, match="nobody is told; allowed: receivers here"):
        make_config(tmp_path, rules + NOTIFY)


def test_explain_and_the_trail_say_shadow(world, tmp_path, capsys):
    """Who would have been told, and that nobody was."""
    world.accept(slow())
    world.turn()
    text = "\n".join(world.records.explain("slow"))
    assert "in shadow, nobody was told; it would have told on-call, because it was new on this route" in text
    assert "its rule is rolled out as shadow: all is recorded, and nobody is told" in text
    assert "then legal after 15m, unless acknowledged by then" in text
    assert main(["router", "audit", "export", "--config", str(tmp_path / "alerts.yaml")]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    decision, message = (
        [each["body"] for each in entries if each["kind"] == kind] for kind in ("decision", "notification")
    )
    assert [(each["rollout"], each["told"]) for each in decision] == [("shadow", False)]
    assert [(each["receivers"], each["shadow"]) for each in message] == [([], ["on-call"])]


def test_the_command_shows_what_shadow_would_have_done(world, tmp_path, capsys):
    """By rule: alerts, would-be messages by tier, since when, and who would have been told when nobody reacts."""
    world.accept(slow())
    world.turn()
    assert main(["router", "rollout", "--config", str(tmp_path / "alerts.yaml")]) == 0
    mode, head, row, step = capsys.readouterr().out.splitlines()
    assert step == "  would have told legal after 15m unless acknowledged: 1 of 1 incident"
    assert mode == 'shadow: alertname="slow"'
    assert head.split()[:7] == ["rule", "mode", "alerts", "page", "channel", "digest", "since"]
    assert row.split()[:8] == ["slow", "shadow", "1", "1", "-", "-", "2026-11-20", "12:00"]


STEPS = RULES.replace(
    "{after: 15m, receivers: [legal]}", "{after: 15m, receivers: [legal]}, {after: 40m, receivers: [ops]}"
)


def steps_of(world):
    """Who would have been told of the rule in shadow, after how long, of how many incidents."""
    found = world.shown().rollouts(9, world.clock.now())
    return [(step.receivers, step.after, step.taken, step.incidents) for _, steps in found for step in steps]


def test_shadow_says_what_would_have_escalated(tmp_path, store_url):
    """What lasted would have gone up step by step, what was over by then not; the end and a restart change nothing."""
    config = make_config(tmp_path, f"{STEPS}{SHADOW}    store: {store_url}\n")
    with world_of(config) as world:
        world.accept(slow(), slow(service="other"), slow("error", service="a channel's"))
        world.turn()
        assert steps_of(world) == [("legal", "15m", 0, 2), ("ops", "40m", 0, 2)]
        world.turn(minutes=10)
        world.accept(over(service="other"))
        world.turn()
        world.turn(minutes=10)
        assert steps_of(world) == [("legal", "15m", 1, 2), ("ops", "40m", 0, 2)]
        world.turn(minutes=45)
        assert steps_of(world) == [("legal", "15m", 1, 2), ("ops", "40m", 1, 2)]
        world.accept(over())
        world.turn()
        world.turn(minutes=10)
    with world_of(config, clock=world.clock) as world:
        world.turn(minutes=60)
        assert steps_of(world) == [("legal", "15m", 1, 2), ("ops", "40m", 1, 2)]
        assert told(world, "on-call", "legal", "ops") == [0, 0, 0]
        world.accept(replace(slow(), starts_at=world.clock.now()))
        world.turn()
        assert steps_of(world) == [("legal", "15m", 1, 3), ("ops", "40m", 1, 3)]


def test_what_a_shadow_would_have_done_is_what_a_page_does(tmp_path):
    """The same alerts by the same rules, in shadow and as pages of which nobody hears: as many steps are taken."""
    taken = {}
    for mode in ("shadow", "page"):
        rules = STEPS.replace("group_wait", "group_by: [alertname], group_wait") + SHADOW.replace("shadow", mode)
        (tmp_path / mode).mkdir()
        with world_of(make_config(tmp_path / mode, rules)) as world:
            for minutes, alert in ((0, slow()), (20, over()), (1, slow()), (50, over()), (30, slow()), (14, over())):
                world.turn(minutes=minutes)
                world.accept(replace(alert, starts_at=world.clock.now()))
                world.turn()
            world.turn(minutes=30)
            taken[mode] = (
                [step[2] for step in steps_of(world)]
                if mode == "shadow"
                else [len([each for each in world.sent(who) if each.escalation_step]) for who in ("legal", "ops")]
            )
    assert taken["shadow"] == taken["page"] == [2, 1]


def test_what_would_have_escalated_is_forgotten_with_its_rule(tmp_path):
    """Nothing is kept for ever of a rule of which nothing comes."""
    with world_of(make_config(tmp_path, STEPS + SHADOW)) as world:
        world.accept(slow())
        world.turn()
        world.accept(over())
        world.turn(minutes=30)
        world.turn(days=40)
        while world.store.prune(Retention(timedelta(days=30), timedelta(days=90)), world.clock.now()):
            pass
        assert steps_of(world) == []
