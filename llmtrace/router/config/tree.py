"""From the routes as they are written to RouteNodes: inheritance applied, names checked, each with its place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from llmtrace.router.config import durations, schema
from llmtrace.router.config.document import Document, Location
from llmtrace.router.config.settings import RouteNode
from llmtrace.router.model import Policy, Tier

BUILT_IN: Final[Mapping[Tier, Policy]] = MappingProxyType(
    {
        Tier.PAGE: Policy(
            Tier.PAGE, (), ("alertname", "service"), timedelta(0), timedelta(minutes=1), timedelta(hours=4)
        ),
        Tier.CHANNEL: Policy(
            Tier.CHANNEL, (), ("alertname", "service"), timedelta(seconds=30), timedelta(minutes=5), timedelta(hours=12)
        ),
        Tier.DIGEST: Policy(Tier.DIGEST, (), (), timedelta(days=1), timedelta(days=1), timedelta(days=1)),
    }
)
_NOT_INHERITED: Final = frozenset({"mute_time_intervals"})
"""By a child from its parent: so it is in Alertmanager, and a child that is forgotten is told rather than silent."""


class Names(NamedTuple):
    """What a route may name."""

    receivers: Collection[str]
    intervals: Collection[str]


def tiers(opened: Document, parsed: schema.RouterFile, names: Names) -> Mapping[Tier, Policy]:
    """The policy of each tier: what the file says of it, over what is built in."""
    for tier, options in parsed.tiers.items():
        _check_options(opened, ("tiers", tier.value), options, names)
        _check_schedule(opened, ("tiers", tier.value), tier, options)
        _check_life(opened, ("tiers", tier.value), _policy(BUILT_IN[tier], options.said()), options.said())
    return {
        tier: _policy(built_in, parsed.tiers[tier].said() if tier in parsed.tiers else {})
        for tier, built_in in BUILT_IN.items()
    }


class Tree:
    """Resolves routes: what a route says beats what its parents say, that beats its tier, that the built-ins.

    ``places`` says afterwards where each node stands in the file.
    """

    def __init__(self, opened: Document, names: Names, tiers: Mapping[Tier, Policy]) -> None:
        self._opened = opened
        self._names = names
        self.places: dict[str, Location] = {}
        self.tiers = tiers

    def nodes(
        self,
        routes: list[schema.Route],
        location: Location = ("routes",),
        parent: str = "",
        tier: Tier | None = None,
        inherited: Mapping[str, Any] = MappingProxyType({}),
    ) -> tuple[RouteNode, ...]:
        """The nodes of these routes, children included."""
        return tuple(
            self._node(route, (*location, index), parent, tier, inherited) for index, route in enumerate(routes)
        )

    def _node(
        self, route: schema.Route, location: Location, parent: str, tier: Tier | None, inherited: Mapping[str, Any]
    ) -> RouteNode:
        _check_options(self._opened, location, route, self._names)
        tier = route.tier or tier
        _check_schedule(self._opened, location, tier, route)
        said = {**inherited, **route.said()}
        policies = {each: _policy(self.tiers[each], said) for each in ([tier] if tier else Tier)}
        for policy in policies.values():
            _check_life(self._opened, location, policy, route.said())
        if all(child.matchers for child in route.routes):  # else some child always applies, and never this one
            self._check_told(location, policies, route)
        name = self._identify(parent + "/{" + ",".join(str(matcher) for matcher in route.matchers) + "}", location)
        heritage = {key: value for key, value in said.items() if key not in _NOT_INHERITED}
        children = self.nodes(route.routes, (*location, "routes"), name, tier, heritage)
        return RouteNode(name, tuple(route.matchers), route.continues, tier, policies, children)

    def _identify(self, name: str, location: Location) -> str:
        """``name``, with a number where a sibling has the same matchers."""
        number, unique = 1, name
        while unique in self.places:
            number += 1
            unique = f"{name}#{number}"
        self.places[unique] = location
        return unique

    def _check_told(self, location: Location, policies: Mapping[Tier, Policy], route: schema.Route) -> None:
        """A page or a message that nobody gets is a mistake; an alert that is only kept for the digest is not."""
        for tier, policy in policies.items():
            if not policy.receivers and (tier is not Tier.DIGEST or route.receivers is not None):
                problem = f"missing for tier {tier}; name a receiver here, on a parent route or under tiers.{tier}"
                raise self._opened.error((*location, "receivers"), problem, about_key=True)


def _policy(base: Policy, said: Mapping[str, Any]) -> Policy:
    """A digest opens no incident, so that nothing of it escalates; nothing else has a schedule."""
    policy = replace(base, **said)
    return replace(policy, escalate=()) if policy.tier is Tier.DIGEST else replace(policy, schedule="")


def _check_life(opened: Document, location: Location, policy: Policy, said: Mapping[str, Any]) -> None:
    """Steps in their order, and an incident that lives to see the last one.

    It opens up to ``group_wait`` or ``group_interval`` after the alert by which its life counts.
    """
    if not policy.escalate:
        return
    place = (*location, *[key for key in ("escalate", "resolve_after") if key in said][:1])
    if any(later.after <= step.after for step, later in pairwise(policy.escalate)):
        raise opened.error(place, "not in order; allowed: each step's after longer than that before", about_key=True)
    last, late = policy.escalate[-1].after, max(policy.group_wait, policy.group_interval)
    if policy.resolve_after <= last + late:
        over, last_at, late_by = (durations.text(each) for each in (policy.resolve_after, last, late))
        problem = (
            f"an alert that does not recur is over after {over}, and the last step comes {last_at} after the incident "
            f"opens, up to {late_by} after the alert; allowed: resolve_after longer than {durations.text(last + late)}"
        )
        raise opened.error(place, problem, about_key=True)


def _check_schedule(opened: Document, location: Location, tier: Tier | None, options: schema.Options) -> None:
    if options.schedule is not None and tier not in (None, Tier.DIGEST):
        problem = f"not of tier {tier}, which is told as it comes; allowed: tier digest"
        raise opened.error((*location, "schedule"), problem, about_key=True)


def _check_options(opened: Document, location: Location, options: schema.Options, names: Names) -> None:
    known = names.receivers
    check_names(opened, (*location, "receivers"), options.receivers or (), known)
    for index, interval in enumerate(options.mute_time_intervals or ()):
        if interval not in names.intervals:
            problem = f"none of time_intervals; allowed: {', '.join(names.intervals) or 'none is defined'}"
            raise opened.error((*location, "mute_time_intervals", index), problem)
    for index, step in enumerate(options.escalate or ()):
        check_names(opened, (*location, "escalate", index, "receivers"), step.receivers, known)


def check_names(opened: Document, location: Location, names: Iterable[str], known: Collection[str]) -> None:
    """Each name must be a receiver of the file.

    Raises:
        ConfigurationError: at the first that is none.
    """
    for index, name in enumerate(names):
        if name not in known:
            problem = f"no receiver of this file; allowed: {', '.join(known)}"
            raise opened.error((*location, index), problem)
