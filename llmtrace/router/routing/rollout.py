"""Rollout: a route as it is while its rule is only recorded, or told in the channel at most. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from llmtrace.router.config import RouterConfig
from llmtrace.router.matchers import all_match
from llmtrace.router.model import Alert, Policy, Rollout, Tier, rollout_of


def staged(alert: Alert, config: RouterConfig, route: str, policy: Policy) -> tuple[str, Policy]:
    """The route's name and policy in the mode that the alert is in. A regulated alert is never held out of sight."""
    if alert.is_regulated:
        return route, policy
    for rule in config.rollout:
        if all_match(rule.matchers, alert.labels, alert.annotations):
            return _in_mode(rule.mode, route, policy, rule.capped)
    return route, policy


def every(route: str, policy: Policy, config: RouterConfig) -> Iterator[tuple[str, Policy]]:
    """The route in each mode, whatever the rules say now."""
    for mode in Rollout:
        yield _in_mode(mode, route, policy, config.capped)


def other_names(route: str) -> list[str]:
    """Under which other names this route may remember something of an earlier mode."""
    _, base = rollout_of(route)
    return [name for mode in Rollout if (name := mode.route(base)) != route]


def _in_mode(mode: Rollout, route: str, policy: Policy, capped: Policy) -> tuple[str, Policy]:
    if mode is Rollout.SHADOW:
        return mode.route(route), replace(policy, rollout=mode)
    if mode is Rollout.NOTIFY and policy.tier is Tier.PAGE:
        told = replace(
            capped,
            group_by=policy.group_by,
            resolve_after=policy.resolve_after,
            mute_time_intervals=policy.mute_time_intervals,
        )
        return mode.route(route), told
    return route, policy
