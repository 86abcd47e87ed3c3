"""Compares two versions of the rules over alerts that came in: which of them would be routed otherwise. Pure.

It asks the routes and the rollout. What only the past decides (silences, repetitions, muted times) is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llmtrace.router.config import RouterConfig, durations
from llmtrace.router.decide import place
from llmtrace.router.enrichment.lookup import look_up
from llmtrace.router.model import Alert, Policy, Rollout

NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Change:
    """Alerts of one name that go another way: how many, one of them, and where they went and would go."""

    name: str
    count: int
    example: Alert
    before: tuple[str, ...]
    after: tuple[str, ...]


def differences(alerts: Iterable[Alert], old: RouterConfig, new: RouterConfig) -> tuple[Change, ...]:
    """The ways that change, those of most alerts first."""
    found: dict[tuple[str, tuple[str, ...], tuple[str, ...]], list[Alert]] = {}
    for alert in alerts:
        before, after = _ways(alert, old), _ways(alert, new)
        if before != after:
            found.setdefault((alert.name, before, after), []).append(alert)
    changes = (Change(name, len(group), group[0], *ways) for (name, *ways), group in found.items())
    return tuple(sorted(changes, key=lambda change: (-change.count, change.name, change.before, change.after)))


def as_table(changes: Sequence[Change], of: int) -> Iterator[str]:
    """For a terminal."""
    yield _summary(changes, of)
    for change in changes:
        yield f"{change.count:>6}  {change.name}  ({_labels(change.example)})"
        yield from (f"     - {way}" for way in change.before)
        yield from (f"     + {way}" for way in change.after)


def as_markdown(changes: Sequence[Change], of: int) -> Iterator[str]:
    """For a comment on a pull request."""
    yield f"**{_summary(changes, of)}**"
    if not changes:
        return
    yield ""
    yield "| alerts | name | for example | before | after |"
    yield "|---:|---|---|---|---|"
    for change in changes:
        cells = [change.name, _labels(change.example), "; ".join(change.before), "; ".join(change.after)]
        yield f"| {change.count} | {' | '.join(_cell(text) for text in cells)} |"


def _summary(changes: Sequence[Change], of: int) -> str:
    other = sum(change.count for change in changes)
    return f"{other} of {of} alerts would be routed otherwise" if other else f"none of {of} alerts goes another way"


def _ways(alert: Alert, config: RouterConfig) -> tuple[str, ...]:
    return tuple(sorted(_way(each.policy) for each in place(look_up(alert, config.lookup), config)))


def _way(policy: Policy) -> str:
    """Tier, receivers and steps in words; of a rule in shadow, that nobody is told."""
    told = ", ".join(policy.receivers) or NOBODY
    steps = "".join(
        f", then {', '.join(step.receivers)} after {durations.text(step.after)}" for step in policy.escalate
    )
    way = f"{policy.tier}: {told}{steps}"
    return f"shadow (would be {way})" if policy.rollout is Rollout.SHADOW else way


def _labels(alert: Alert) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(alert.labels.items()) if name != "alertname")


def _cell(text: str) -> str:
    """What somebody else wrote must not become Markdown of ours."""
    plain = "".join("\\" + each if each in "\\`*_[]<>|#~!@" else each for each in text if each.isprintable())
    return plain[:300]
