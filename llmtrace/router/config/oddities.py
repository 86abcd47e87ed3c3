"""Oddities: what a router file may say and hardly means, each with its place. `check` and `serve` warn of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from llmtrace.router.config import durations, proof, schema
from llmtrace.router.config.document import Document, Location, path
from llmtrace.router.config.settings import Oddity, RouteNode
from llmtrace.router.config.tree import BUILT_IN
from llmtrace.router.model import Tier
from llmtrace.router.ports import NotifierKind


@dataclass(frozen=True, slots=True)
class Oddities:
    """Looks for them. ``places``: where each route stands; ``notifiers``: those of each receiver, by name."""

    opened: Document
    parsed: schema.RouterFile
    places: Mapping[str, Location]
    routes: tuple[RouteNode, ...]
    notifiers: Mapping[str, Mapping[str, NotifierKind]]

    def all(self) -> Iterator[Oddity]:
        """Every one, the general ones first."""
        yield from self._unrouted()
        yield from self._unused()
        for finding in (*proof.unreachable(self.routes), *proof.dead_matchers(self.routes)):
            place: Location = ("routes",) if finding.node is None else self.places[finding.node.id]
            yield self._at(place, finding.text)
        yield from self._dead_quiet()
        yield from self._said_in_vain()
        yield from self._wakes_nobody(self.routes)
        yield from self._both_escalate()
        yield from self._warned_of()

    def _at(self, location: Location, text: str) -> Oddity:
        return Oddity(*self.opened.place(location, about_key=True), path(location), text)

    def _unrouted(self) -> Iterator[Oddity]:
        if all(route.matchers or route.continues for route in self.parsed.routes):
            text = "an alert that no route matches is kept for the digest (no_route); add a last route without matchers"
            yield self._at(("routes",), text)

    def _unused(self) -> Iterator[Oddity]:
        options = [*self.parsed.tiers.values(), *(route for _, route in _every(self.parsed.routes))]
        used = {name for each in options for name in (*(each.receivers or ()), *_escalated(each))}
        used |= {self.parsed.fallback.receiver} if self.parsed.fallback else set()
        used |= set(self.parsed.watchdog.heartbeat.receivers) if self.parsed.watchdog.heartbeat else set()
        used |= {name for each in self.parsed.rollout for name in each.receivers or ()}
        for name in self.parsed.receivers:
            if name not in used:
                yield self._at(("receivers", name), "no route and no tier names it")
        muting = {name for each in options for name in each.mute_time_intervals or ()}
        for name in self.parsed.time_intervals:
            if name not in muting:
                yield self._at(("time_intervals", name), "no route and no tier names it")

    def _dead_quiet(self) -> Iterator[Oddity]:
        """Silences, inhibitions and entries of the rollout that never hold anything."""
        lists = [(("silences", index, "matchers"), each.matchers) for index, each in enumerate(self.parsed.silences)]
        lists += [(("rollout", index, "matchers"), each.matchers) for index, each in enumerate(self.parsed.rollout)]
        for index, each in enumerate(self.parsed.inhibit):
            lists += [(("inhibit", index, "source_matchers"), each.source_matchers)]
            lists += [(("inhibit", index, "target_matchers"), each.target_matchers)]
        for place, matchers in lists:
            finding = proof.contradicted(matchers)
            if finding is not None:
                yield self._at(place, f"matches no alert: {finding}")

    def _said_in_vain(self) -> Iterator[Oddity]:
        """Keys that change nothing where they stand."""
        tiers = ((("tiers", tier.value), options, tier) for tier, options in self.parsed.tiers.items())
        routes = ((place, route, route.tier) for place, route in _every(self.parsed.routes))
        for place, options, tier in (*tiers, *routes):
            if tier is Tier.DIGEST and options.escalate:
                yield self._at((*place, "escalate"), "a digest opens no incident, so that nothing of it escalates")
            interval = options.group_interval or (BUILT_IN[tier].group_interval if tier else None)
            repeat = options.repeat_interval
            if interval is not None and repeat is not None and repeat < interval:
                text = f"shorter than group_interval ({durations.text(interval)}), which repetitions wait for too"
                yield self._at((*place, "repeat_interval"), text)

    def _wakes_nobody(self, routes: Iterable[RouteNode]) -> Iterator[Oddity]:
        """Routes that say that they page, and tell nobody who could be woken, neither at once nor later."""
        for node in routes:
            policy = node.policies[Tier.PAGE] if node.tier is Tier.PAGE else None
            if policy is not None and policy.receivers and all(child.matchers for child in node.children):
                told = (*policy.receivers, *(name for step in policy.escalate for name in step.receivers))
                if not any(kind.wakes for name in told for kind in self.notifiers[name].values()):
                    who = ", ".join(dict.fromkeys(told))
                    text = f"route {node.id} pages and wakes nobody ({who}); add a receiver with a pager, or a step"
                    yield self._at(self.places[node.id], text)
            yield from self._wakes_nobody(node.children)

    def _both_escalate(self) -> Iterator[Oddity]:
        for name in _first_told(self.routes):
            kinds = self.notifiers[name].values()
            deaf = [kind for kind in kinds if kind.escalates and not self._hears_of(kind)]
            if deaf:
                source = deaf[0].reacts_at
                text = (
                    "escalates by itself and no acknowledgement comes back from it: both escalate; "
                    f"set intake.{source}.auth and send its webhook to /ingest/{source}"
                )
                yield self._at(("receivers", name), text)

    def _hears_of(self, kind: NotifierKind) -> bool:
        """Whether what people do there comes back."""
        return getattr(self.parsed.intake, kind.reacts_at).auth is not None

    def _warned_of(self) -> Iterator[Oddity]:
        for name, kinds in self.notifiers.items():
            for notifier, kind in kinds.items():
                if kind.warning:
                    yield self._at(("receivers", name, notifier), kind.warning)


def _first_told(routes: Iterable[RouteNode]) -> list[str]:
    """The receivers whose policies escalate."""
    found: dict[str, None] = {}
    for node in routes:
        for policy in node.policies.values():
            found |= dict.fromkeys(policy.receivers if policy.escalate else ())
        found |= dict.fromkeys(_first_told(node.children))
    return list(found)


def _escalated(options: schema.Options) -> Iterator[str]:
    return (name for step in options.escalate or () for name in step.receivers)


def _every(routes: list[schema.Route], location: Location = ("routes",)) -> Iterator[tuple[Location, schema.Route]]:
    for index, route in enumerate(routes):
        place = (*location, index)
        yield place, route
        yield from _every(route.routes, (*place, "routes"))
