"""Which digests the rules ask for: one for each receiver, with its schedule and time zone. A digest is a mail."""

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
        ConfigurationError: a receiver of a digest has no mail, or two schedules: it would be told everything twice.
    """
    found: dict[str, Digest] = {}
    for place, policy in (*_policies(routes, places), (("tiers", "digest"), unrouted)):
        for receiver in policy.receivers if policy.schedule else ():
            if MAIL not in receivers[receiver]:
                problem = f"receiver {receiver} has no email, and a digest is a mail; allowed: a receiver with email"
                raise opened.error((*place, "schedule"), problem, about_key=True)
            digest = Digest(receiver, policy.schedule, policy.timezone)
            other = found.setdefault(receiver, digest)
            if other != digest:
                problem = (
                    f"receiver {receiver} has the digest {other.schedule} {other.timezone}; allowed: one a receiver"
                )
                raise opened.error((*place, "schedule"), problem, about_key=True)
    return tuple(found.values())


def _policies(routes: Iterable[RouteNode], places: Mapping[str, Location]) -> Iterator[tuple[Location, Policy]]:
    for node in routes:
        # A node with a child that always applies never applies itself, but who writes it means what it says.
        yield from ((places.get(node.id, ("routes",)), policy) for policy in node.policies.values())
        yield from _policies(node.children, places)
