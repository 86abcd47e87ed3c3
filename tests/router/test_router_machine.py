"""The pure core as a machine: whatever comes in which order, nobody is told twice, or not at all without a reason.

Alerts with and without states, regulated ones, silences made and ended, inhibition, muted hours, acknowledgements, ends
by persons, escalation, other rules at any moment, and a wall clock that is set forward and back.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from router_values import NOON, make_alert, make_config

from llmtrace.router import matchers
from llmtrace.router.decide import Deciding
from llmtrace.router.matchers import Silence, all_match
from llmtrace.router.model import AlertState, GroupState, Incident, IncidentState, Reason, Status, Tier
from llmtrace.router.ports import Over
from llmtrace.router.store.explain import WHY
from llmtrace.router.store.turns import turn_of

if TYPE_CHECKING:
    from llmtrace.router.config import RouterConfig
    from llmtrace.router.model import Alert, Decision, Turn

RULES = """
    version: 1
    receivers: {pager: {console: {}}, second: {console: {}}, chat: {console: {}}, ops: {console: {}}}
    inhibit: [{source_matchers: ['alertname="down"'], target_matchers: ['alertname="slow"'], equal: [team]}]
    time_intervals: {night: [{times: [{start_time: '20:00', end_time: '24:00'}]}]}
    tiers: {page: {receivers: [pager], escalate: [{after: 15m, receivers: [second]}, {after: 30m, receivers: [ops]}]}}
    routes:
      - {matchers: ['severity="critical"'], tier: page, continue: true}
      - {matchers: ['team="legal"'], tier: channel, receivers: [chat], mute_time_intervals: [night], resolve_after: 2h}
      - {matchers: ['team="ops"', 'severity!="info"'], tier: channel, receivers: [ops]}
      - {matchers: ['team="ops"'], tier: digest}
"""
OTHER_RULES = """
    version: 1
    receivers: {pager: {console: {}}, chat: {console: {}}}
    silences: [{matchers: ['team="ops"'], ends_at: 2026-11-20T18:00:00Z}]
    routes:
      - {matchers: ['team="legal"'], tier: channel, receivers: [chat], repeat_interval: 1h, group_by: ['...']}
      - {matchers: ['severity="critical"'], tier: page, receivers: [pager]}
      - {tier: channel, receivers: [chat], group_by: [team]}
"""
NAMES = st.sampled_from(["down", "slow"])
TEAMS = st.sampled_from(["legal", "ops", ""])
SEVERITIES = st.sampled_from(["critical", "error", "info"])
Key = tuple[str, str]


@dataclass
class Known:
    """What a route remembers, with what is needed to let it expire."""

    alert: Alert
    decision: Decision
    state: AlertState


class Core(RuleBasedStateMachine):
    """Decides as the store would have it decided, with its memory in dictionaries."""

    @initialize()
    def start(self):
        with tempfile.TemporaryDirectory() as folder:
            self.rules = [make_config(Path(folder), text) for text in (RULES, OTHER_RULES)]
        self.config: RouterConfig = self.rules[0]
        self.now = NOON
        self.known: dict[Key, Known] = {}
        self.groups: dict[str, GroupState] = {}
        self.live: dict[str, Incident] = {}
        self.quiet: list[Silence] = []
        self.told: dict[Key, tuple[int, datetime]] = {}
        self.past: dict[Key, list[Turn]] = {}

    # What a decision recalls.

    def state(self, route, fingerprint):
        found = self.known.get((route, fingerprint))
        return found.state if found else None

    def group(self, key):
        return self.groups.get(key)

    def incident(self, key):
        return self.live.get(key)

    def turns(self, route, fingerprint, since):
        return [turn for turn in self.past.get((route, fingerprint), []) if turn.at >= since]

    def silences(self):
        return [silence for silence in self.quiet if silence.ends_at > self.now]

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

    @rule(data=st.data(), hours=st.integers(1, 13), cared_for=st.booleans())
    def go_on(self, data, hours, cared_for):
        """An alert that was told comes again every hour, so that repetitions fall due; perhaps somebody cares."""
        if not self.told:
            return
        known = self.known[data.draw(st.sampled_from(sorted(self.told)))]
        if cared_for and known.decision.group.key in self.live:
            key = known.decision.group.key
            self.live[key] = replace(self.live[key], state=IncidentState.ACKNOWLEDGED)
        for _ in range(hours):
            self.take(replace(known.alert, ends_at=self.now + timedelta(hours=2)))
            self.now += timedelta(hours=1)
            self.catch_up()

    @rule(minutes=st.integers(1, 600))
    def wait(self, minutes):
        """Time passes; what is over by itself expires, what was held until now is decided again."""
        self.now += timedelta(minutes=minutes)
        self.catch_up()

    @rule(minutes=st.integers(-120, 120))
    def step_clock(self, minutes):
        """Somebody sets the clock."""
        self.now += timedelta(minutes=minutes)
        self.catch_up()

    @rule(team=TEAMS, minutes=st.integers(1, 300), later=st.integers(0, 30))
    def silence(self, team, minutes, later):
        start = self.now + timedelta(minutes=later)
        matcher = matchers.parse(f'team="{team}"')
        name = f"s{len(self.quiet)}"
        self.quiet.append(Silence(name, (matcher,), start, start + timedelta(minutes=minutes), "mina", ""))

    @rule(data=st.data())
    def end_a_silence(self, data):
        if self.quiet:
            index = data.draw(st.integers(0, len(self.quiet) - 1))
            ended = self.quiet[index]
            self.quiet[index] = replace(ended, ends_at=min(ended.ends_at, self.now))
            self.decide_again(lambda known: known.decision.hold is not None and known.decision.hold.by == ended.id)

    @rule(data=st.data())
    def acknowledge(self, data):
        if self.live:
            key = data.draw(st.sampled_from(sorted(self.live)))
            self.live[key] = replace(self.live[key], state=IncidentState.ACKNOWLEDGED)

    @rule(data=st.data())
    def resolve(self, data):
        """A person says that an incident is over, and with it all alerts of its group, regulated ones too."""
        if self.live:
            key = data.draw(st.sampled_from(sorted(self.live)))
            del self.live[key]
            for place, known in list(self.known.items()):
                if known.decision.group.key == key:
                    known.state = AlertState(Status.RESOLVED, known.state.severity, None, None)
                    self.told.pop(place, None)
            self.release_symptoms()

    @rule(number=st.integers(0, 1))
    def other_rules(self, number):
        """A reload: what the rules before held back is decided again."""
        before, self.config = self.config.hash, self.rules[number]
        if before != self.config.hash:
            self.decide_again(lambda known: known.decision.hold is not None)

    # As the store does it.

    def catch_up(self):
        for (route, fingerprint), known in list(self.known.items()):
            state = known.state
            if state.status is Status.FIRING and state.resolve_at is not None and state.resolve_at <= self.now:
                due = Over(known.alert, route, known.decision.policy, known.decision.group, state)
                self.keep(known.alert, fingerprint, Deciding(self.config, self.now).expire(due, self))
        self.decide_again(self.hold_is_over)
        self.release_symptoms()
        self.escalate()

    def hold_is_over(self, known):
        hold = known.decision.hold
        return hold is not None and hold.until is not None and hold.until <= self.now

    def release_symptoms(self):
        """What another alert held back, once that one is over."""
        sources = {alert.fingerprint for alert in self.firing(())}
        self.decide_again(
            lambda known: known.decision.reason is Reason.INHIBITED and known.decision.hold.by not in sources
        )

    def decide_again(self, chosen):
        for key, known in list(self.known.items()):
            if self.known[key] is known and known.state.status is Status.FIRING and chosen(known):
                self.take(known.alert)

    def escalate(self):
        for key, incident in list(self.live.items()):
            step = incident.step_due(self.now)
            while step is not None:
                assert incident.state is IncidentState.OPEN, "escalated although somebody cares"
                assert step.number == incident.step + 1, "a step was left out or taken twice"
                assert self.now >= incident.opened_at + incident.steps[incident.step].after
                incident = self.live[key] = replace(incident, step=step.number)  # noqa: PLW2901 - it goes on
                step = incident.step_due(self.now)

    # What must hold.

    def take(self, alert: Alert) -> None:
        decisions = Deciding(self.config, self.now).decide(alert, self)
        assert decisions, "an alert without a decision"
        assert decisions == Deciding(self.config, self.now).decide(alert, self), "not a function of what it is given"
        for decision in decisions:
            self.keep(alert, alert.fingerprint, decision)
        if alert.status is Status.RESOLVED:
            self.release_symptoms()

    def keep(self, alert: Alert, fingerprint: str, decision: Decision) -> None:
        assert decision.reason in WHY
        unheard = decision.reason.suppresses or not decision.policy.receivers
        never_told = decision.reason in (Reason.RESOLVE_AFTER, Reason.RESOLVE_TIMEOUT)
        assert decision.notifies or unheard or never_told, "neither told nor explained"
        assert not (decision.notifies and decision.hold), "told and held at once"
        key = (decision.route, fingerprint)
        if alert.is_regulated:
            held = (Reason.SILENCED, Reason.MUTED, Reason.INHIBITED, Reason.FLAPPING)
            assert decision.reason not in (*held, Reason.RESOLVED)
            assert decision.state.resolve_at is None
        if decision.notifies and decision.state.status is Status.FIRING:
            self.check_not_twice(key, alert, decision)
            self.told[key] = (alert.severity.rank, self.now)
        elif decision.state.status is Status.RESOLVED:
            assert decision.notifies is (key in self.told), "an end is told to whom the beginning was told"
            self.told.pop(key, None)
        self.known[key] = Known(alert, decision, decision.state)
        turn = turn_of(decision.reason, self.now)
        self.past.setdefault(key, []).extend([turn] if turn is not None else [])
        if decision.notifies:
            self.groups[decision.group.key] = GroupState(None, decision.due_at)
            self.open_or_end(decision)

    def check_not_twice(self, key, alert, decision):
        """Between two messages about one state lies its end, a rise, or repeat_interval without an acknowledgement."""
        if key in self.told:
            rank, at = self.told[key]
            rose = alert.severity.rank < rank
            assert rose or self.now - at >= decision.policy.repeat_interval
            incident = self.live.get(decision.group.key)
            assert rose or incident is None or incident.state is IncidentState.OPEN, "repeated although acknowledged"

    def open_or_end(self, decision: Decision) -> None:
        """An incident begins with the first message about a group and ends with the last."""
        key = decision.group.key
        fires = any(
            known.decision.group.key == key and known.state.told_at is not None for known in self.known.values()
        )
        if fires and key not in self.live and decision.policy.tier is not Tier.DIGEST:
            steps, receivers = decision.policy.escalate, decision.policy.receivers
            self.live[key] = Incident(len(self.live), IncidentState.OPEN, self.now, steps, 0, receivers)
        elif not fires:
            self.live.pop(key, None)

    @invariant()
    def only_what_fires_waits_for_its_end(self):
        for known in self.known.values():
            assert known.state.status is Status.FIRING or known.state.resolve_at is None

    @invariant()
    def what_fires_was_told_or_waits_with_a_reason(self):
        """Whoever asks about an alert that fires finds a message, or why there is none and what it waits for."""
        for key, known in self.known.items():
            if known.state.status is Status.FIRING and key not in self.told:
                decision = known.decision
                assert decision.reason.suppresses or not decision.policy.receivers
                assert decision.hold is not None or decision.reason in (Reason.NO_RECEIVER, Reason.NO_ROUTE)

    @invariant()
    def what_is_remembered_as_told_was_told(self):
        for key, known in self.known.items():
            assert (known.state.told_at is not None) is (key in self.told)


Core.TestCase.settings = settings(max_examples=settings().max_examples // 5, stateful_step_count=40, deadline=None)
TestCore = Core.TestCase
