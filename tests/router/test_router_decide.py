"""The decision as a whole: pure, total, and never without a reason."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from router_values import NOON, make_alert, make_config

from llmtrace.router.decide import decide
from llmtrace.router.model import AlertState, GroupState, Reason, Tier
from llmtrace.semconv.alert import Severity

RULES = """
    version: 1
    receivers: {ops: {console: {}}, legal: {console: {}}}
    routes:
      - {matchers: ['team="legal"'], tier: channel, receivers: [legal], continue: true}
      - {matchers: ['severity="critical"'], tier: page, receivers: [ops]}
      - {matchers: ['severity="info"', 'service="bot"'], tier: digest}
"""


class Memory:
    """Remembers what was decided, as the store does."""

    def __init__(self) -> None:
        self._states: dict[tuple[str, str], AlertState] = {}
        self._due: dict[str, GroupState] = {}

    def state(self, route, fingerprint):
        return self._states.get((route, fingerprint))

    def group(self, key):
        return self._due.get(key)

    def incident(self, _key):
        return None

    def turns(self, _route, _fingerprint, _since):
        return ()

    def silences(self):
        return ()

    def keep(self, alert, decision):
        self._states[decision.route, alert.fingerprint] = decision.state
        if decision.notifies:
            self._due[decision.group.key] = GroupState(None, decision.due_at)


def reasons(config, alert, memory=None):
    """Route and reason of each decision."""
    return [(decision.route, decision.reason) for decision in decide(alert, config, memory or Memory(), NOON)]


def test_one_decision_for_each_route(tmp_path):
    """An alert that continues is decided on each of its routes."""
    config = make_config(tmp_path, RULES)
    first, second = decide(make_alert(team="legal"), config, Memory(), NOON)
    assert (first.policy.tier, first.policy.receivers) == (Tier.CHANNEL, ("legal",))
    assert (second.policy.tier, second.policy.receivers) == (Tier.PAGE, ("ops",))
    assert first.due_at == NOON + timedelta(seconds=30)
    assert second.due_at == NOON
    assert {first.config_hash, second.config_hash} == {config.hash}


def test_an_alert_without_a_route_is_kept_for_the_digest(tmp_path):
    """It is decided too: tier digest, reason no_route, nobody told."""
    (decision,) = decide(make_alert("warning"), make_config(tmp_path, RULES), Memory(), NOON)
    assert (decision.policy.tier, decision.reason, decision.notifies) == (Tier.DIGEST, Reason.NO_ROUTE, False)


def test_an_alert_without_a_route_is_told_where_the_digest_has_receivers(tmp_path):
    """The digest's receivers get it with the reason no_route when the digest is due."""
    config = make_config(tmp_path, RULES + "    tiers: {digest: {receivers: [ops]}}\n")
    (decision,) = decide(make_alert("warning"), config, Memory(), NOON)
    assert (decision.reason, decision.due_at) == (Reason.NO_ROUTE, NOON + timedelta(days=1))


def test_a_route_without_receivers_only_keeps(tmp_path):
    """A digest route that names nobody tells nobody, and says so."""
    assert reasons(make_config(tmp_path, RULES), make_alert("info")) == [
        ('/{severity="info",service="bot"}', Reason.NO_RECEIVER)
    ]


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Severity)), st.sampled_from(["legal", "a", ""]), st.integers(0, 7 * 3600)),
        max_size=20,
    )
)
def test_never_without_a_decision_never_twice_for_one_state(tmp_path_factory, events):
    """Whatever comes in which order: each alert is decided, and no route tells the same state twice in its interval."""
    config = make_config(tmp_path_factory.getbasetemp(), RULES)
    memory, now = Memory(), NOON
    told: dict[tuple[str, str], tuple[Severity, object]] = {}
    for severity, team, pause in events:
        now += timedelta(seconds=pause)
        alert = make_alert(severity, team=team)
        decisions = decide(alert, config, memory, now)
        assert decisions
        for decision in decisions:
            key = (decision.route, alert.fingerprint)
            if decision.notifies:
                before = told.get(key)
                assert before is None or severity.rank < before[0].rank or (
                    now - before[1] >= decision.policy.repeat_interval
                )  # fmt: skip
                told[key] = (severity, now)
            memory.keep(alert, decision)
