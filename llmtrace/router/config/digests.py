"""Which digests the rules ask for: one for each receiver, schedule and time zone. A digest is a mail."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

from llmtrace.router.config.document import Document, Location
from llmtrace.router.config.settings import Digest, RouteNode
from llmtrace.router.model import Policy

MAIL = "email"


def digests(
    opened: Document,
    places: Mapping[str, Location],
    routes: Iterable[RouteNode],
    unrouted: Policy,
    receivers: Mapping[str, Collection[str]],
) -> tuple[Digest, ...]:
    """In the order of the file.

    Raises:
        ConfigurationError: a receiver of a digest has no mail.
    """
    found: dict[Digest, None] = {}
    for place, policy in (*_policies(routes, places), (("tiers", "digest"), unrouted)):
        for receiver in policy.receivers if policy.schedule else ():
            if MAIL not in receivers[receiver]:
                problem = f"receiver {receiver} has no email, and a digest is a mail; allowed: a receiver with email"
                raise opened.error((*place, "schedule"), problem, about_key=True)
            found[Digest(receiver, policy.schedule, policy.timezone)] = None
    return tuple(found)


def _policies(routes: Iterable[RouteNode], places: Mapping[str, Location]) -> Iterator[tuple[Location, Policy]]:
    for node in routes:
        # A node with a child that always applies never applies itself, but who writes it means what it says.
        yield from ((places.get(node.id, ("routes",)), policy) for policy in node.policies.values())
        yield from _policies(node.children, places)
