"""The pure core as a machine: whatever comes in which order, nobody is told twice, or not at all without a reason."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from router_values import NOON, make_alert, make_config

from llmtrace.router import matchers
from llmtrace.router.decide import Deciding
from llmtrace.router.matchers import Silence, all_match
from llmtrace.router.model import GroupState, Reason, Status
from llmtrace.router.ports import Over
from llmtrace.router.store.explain import WHY

if TYPE_CHECKING:
    from llmtrace.router.model import Alert, AlertState, Decision

RULES = """
    version: 1
    receivers: {pager: {console: {}}, chat: {console: {}}, ops: {console: {}}}
    inhibit: [{source_matchers: ['alertname="down"'], target_matchers: ['alertname="slow"'], equal: [team]}]
    time_intervals: {night: [{times: [{start_time: '20:00', end_time: '24:00'}]}]}
    routes:
      - {matchers: ['severity="critical"'], tier: page, receivers: [pager], continue: true}
      - {matchers: ['team="legal"'], tier: channel, receivers: [chat], mute_time_intervals: [night], resolve_after: 2h}
      - {matchers: ['team="ops"', 'severity!="info"'], tier: channel, receivers: [ops]}
      - {matchers: ['team="ops"'], tier: digest}
"""
NAMES = st.sampled_from(["down", "slow"])
TEAMS = st.sampled_from(["legal", "ops", ""])
SEVERITIES = st.sampled_from(["critical", "error", "info"])


@dataclass
class Known:
    """What a route remembers, with what is needed to let it expire."""

    alert: Alert
    decision: Decision

    @property
    def state(self) -> AlertState:
        return self.decision.state


class Core(RuleBasedStateMachine):
    """Decides as the store would have it decided, with its memory in dictionaries."""

    @initialize()
    def start(self):
        with tempfile.TemporaryDirectory() as folder:
            self.config = make_config(Path(folder), RULES)
        self.now = NOON
        self.known: dict[tuple[str, str], Known] = {}
        self.groups: dict[str, GroupState] = {}
        self.quiet: list[Silence] = []
        self.told: dict[tuple[str, str], tuple[int, object]] = {}

    # What a decision recalls.

    def state(self, route, fingerprint):
        found = self.known.get((route, fingerprint))
        return found.state if found else None

    def group(self, key):
        return self.groups.get(key)

    def incident(self, _key):
        return None

    def silences(self):
        return self.quiet

    def firing(self, chosen):
        every = [known.alert for known in self.known.values() if known.state.status is Status.FIRING]
        return [alert for alert in every if all_match(chosen, alert.labels, alert.annotations)]

    # What happens.

    @rule(name=NAMES, team=TEAMS, severity=SEVERITIES, regulated=st.booleans(), lasts=st.none() | st.integers(1, 500))
    def fire(self, name, team, severity, regulated, lasts):
        alert = make_alert(severity, alertname=name, team=team, **({"regulated": "true"} if regulated else {}))
        self.take(replace(alert, ends_at=None if lasts is None else self.now + timedelta(minutes=lasts)))

    @rule(name=NAMES, team=TEAMS, severity=SEVERITIES, regulated=st.booleans())
    def over(self, name, team, severity, regulated):
        alert = make_alert(severity, alertname=name, team=team, **({"regulated": "true"} if regulated else {}))
        self.take(replace(alert, status=Status.RESOLVED, ends_at=self.now))

    @rule(minutes=st.integers(1, 600))
    def wait(self, minutes):
        """Time passes; what is over by itself expires, what was held until now is decided again."""
        self.now += timedelta(minutes=minutes)
        for (route, fingerprint), known in list(self.known.items()):
            state, hold = known.state, known.decision.hold
            if state.status is Status.FIRING and state.resolve_at is not None and state.resolve_at <= self.now:
                due = Over(known.alert, route, known.decision.policy, known.decision.group, state)
                self.keep(known.alert, fingerprint, Deciding(self.config, self.now).expire(due, self))
            elif (
                state.status is Status.FIRING and hold is not None and hold.until is not None and hold.until <= self.now
            ):
                self.take(known.alert)

    @rule(team=TEAMS, minutes=st.integers(1, 300))
    def silence(self, team, minutes):
        matcher = matchers.parse(f'team="{team}"')
        self.quiet = [Silence("s", (matcher,), self.now, self.now + timedelta(minutes=minutes), "mina", "")]

    # What must hold.

    def take(self, alert: Alert) -> None:
        decisions = Deciding(self.config, self.now).decide(alert, self)
        assert decisions, "an alert without a decision"
        for decision in decisions:
            self.keep(alert, alert.fingerprint, decision)

    def keep(self, alert: Alert, fingerprint: str, decision: Decision) -> None:
        assert decision.reason in WHY
        unheard = decision.reason.suppresses or not decision.policy.receivers
        never_told = decision.reason in (Reason.RESOLVE_AFTER, Reason.RESOLVE_TIMEOUT)
        assert decision.notifies or unheard or never_told, "neither told nor explained"
        key = (decision.route, fingerprint)
        if alert.is_regulated:
            assert decision.reason not in (Reason.SILENCED, Reason.MUTED, Reason.INHIBITED, Reason.RESOLVED)
            assert decision.state.resolve_at is None
        if decision.notifies and decision.state.status is Status.FIRING:
            self.check_not_twice(key, alert, decision)
            self.told[key] = (alert.severity.rank, self.now)
        elif decision.state.status is Status.RESOLVED:
            assert decision.notifies is (key in self.told), "an end is told to whom the beginning was told"
            self.told.pop(key, None)
        self.known[key] = Known(alert, decision)
        if decision.notifies:
            self.groups[decision.group.key] = GroupState(None, decision.due_at)

    def check_not_twice(self, key, alert, decision):
        """Between two messages about one state lies its end, a rise, or repeat_interval."""
        if key in self.told:
            rank, at = self.told[key]
            assert alert.severity.rank < rank or self.now - at >= decision.policy.repeat_interval

    @invariant()
    def only_what_fires_waits_for_its_end(self):
        for known in self.known.values():
            assert known.state.status is Status.FIRING or known.state.resolve_at is None


Core.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCore = Core.TestCase
