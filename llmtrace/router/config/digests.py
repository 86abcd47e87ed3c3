"""Which digests the rules ask for: one for each receiver, with its schedule and time zone. A digest is a mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from llmtrace.router.config.document import Document, Location
from llmtrace.router.config.scope import Scope, scope_of
from llmtrace.router.config.settings import Digest, RouteNode
from llmtrace.router.matchers import Matcher
from llmtrace.router.model import Policy

MAIL: Final = "email"


class _Way(NamedTuple):
    """A policy of a route, where it stands, and what an alert must fulfil to come there."""

    place: Location
    policy: Policy
    matchers: tuple[Matcher, ...]
    applies: bool
    """Not so where some child always takes what comes."""
    is_unrouted: bool = False


def digests(
    opened: Document,
    places: Mapping[str, Location],
    routes: Sequence[RouteNode],
    unrouted: Policy,
    receivers: Mapping[str, Collection[str]],
) -> tuple[Digest, ...]:
    """In the order of the file.

    Raises:
        ConfigurationError: a receiver of a digest has no mail, or two schedules: it would be told everything twice.
    """
    found: dict[str, Digest] = {}
    ways: dict[str, list[_Way]] = {}
    takes_all = not all(node.matchers or node.continues for node in routes)
    last = _Way(("tiers", "digest"), unrouted, (), applies=not takes_all, is_unrouted=True)
    for way in (*_ways(routes, places), last):
        policy = way.policy
        for receiver in policy.receivers if policy.schedule else ():
            if MAIL not in receivers[receiver]:
                problem = f"receiver {receiver} has no email, and a digest is a mail; allowed: a receiver with email"
                raise opened.error((*way.place, "schedule"), problem, about_key=True)
            digest = Digest(receiver, policy.schedule, policy.timezone)
            other = found.setdefault(receiver, digest)
            if other != digest:
                problem = (
                    f"receiver {receiver} has the digest {other.schedule} {other.timezone}; allowed: one a receiver"
                )
                raise opened.error((*way.place, "schedule"), problem, about_key=True)
            ways.setdefault(receiver, []).append(way)
    return tuple(replace(digest, scope=_scope(ways[receiver])) for receiver, digest in found.items())


def _scope(ways: Iterable[_Way]) -> Scope:
    that_apply = [way for way in ways if way.applies]
    routed = [way.matchers for way in that_apply if not way.is_unrouted]
    return scope_of(routed, is_unrouted=len(routed) < len(that_apply))


def _ways(
    routes: Iterable[RouteNode], places: Mapping[str, Location], above: tuple[Matcher, ...] = ()
) -> Iterator[_Way]:
    for node in routes:
        matchers = (*above, *node.matchers)
        applies = all(child.matchers for child in node.children)
        # A node with a child that always applies never applies itself, but who writes it means what it says.
        for policy in node.policies.values():
            yield _Way(places.get(node.id, ("routes",)), policy, matchers, applies=applies)
        yield from _ways(node.children, places, matchers)
