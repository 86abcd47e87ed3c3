"""What can be proven of the rules without an alert: regulated ones reach a ticket, each route can be reached. Pure.

The proof about tickets looks at the label ``regulated`` alone: whatever else a matcher asks for, some alert may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from llmtrace.router.config import reach
from llmtrace.router.config.settings import RouteNode
from llmtrace.router.matchers import Matcher, Operator
from llmtrace.router.model import REGULATED, SEVERITY, Policy, Tier

IsTicket = Callable[[str], bool]
"""Whether a receiver opens tickets."""


class Finding(NamedTuple):
    """What was found, in words, and at which route; None: at none of them."""

    node: RouteNode | None
    text: str


def mentions_regulated(nodes: Sequence[RouteNode]) -> bool:
    """Whether the rules treat regulated alerts on their own anywhere."""
    return any(
        any(matcher.name == REGULATED for matcher in node.matchers) or mentions_regulated(node.children)
        for node in nodes
    )


def without_ticket(nodes: Sequence[RouteNode], unrouted: Policy, is_ticket: IsTicket) -> Iterator[Finding]:
    """The routes by which a regulated alert could come to no ticket; none: it is proven."""
    yield from _without_ticket(nodes, is_ticket)
    if not _catches_all(nodes) and not _tickets(unrouted, is_ticket):
        yield Finding(None, "a regulated alert that no route matches opens no ticket")


def unreachable(nodes: Sequence[RouteNode], above: tuple[Matcher, ...] = ()) -> Iterator[Finding]:
    """Routes that no alert ever comes to, because those before them take all that they match."""
    for index, node in enumerate(nodes):
        every = (*above, *node.matchers)
        if reach.contradiction(every) is not None:
            continue  # it is dead by itself, which is said elsewhere
        takers = _takers([other for other in nodes[:index] if not other.continues], every)
        if takers:
            who = " and ".join(taker.id for taker in takers)
            yield Finding(node, f"route {node.id} is never reached: {who} before it takes all that it matches")
        else:
            yield from unreachable(node.children, every)


def dead_matchers(nodes: Sequence[RouteNode], above: tuple[Matcher, ...] = ()) -> Iterator[Finding]:
    """Routes whose matchers no alert fulfils, together with those of their parents."""
    for node in nodes:
        every = (*above, *node.matchers)
        if (finding := contradicted(every)) is not None:
            yield Finding(node, f"route {node.id} matches no alert: {finding}")
        else:
            yield from dead_matchers(node.children, every)


def contradicted(matchers: Sequence[Matcher]) -> str | None:
    """Why no alert fulfils them all, in words; None where some may."""
    dead = reach.contradiction(matchers)
    if dead is None:
        return None
    others = [str(other) for other in matchers[: matchers.index(dead)] if other.name == dead.name]
    if others:
        return f"{dead} contradicts {' and '.join(others)}"
    if dead.name == SEVERITY:
        return f"{dead} is no severity; allowed: {', '.join(sorted(reach.words(SEVERITY, ()) or ()))}"
    return f"{dead} holds for nothing"


def _takers(earlier: Sequence[RouteNode], matchers: Sequence[Matcher]) -> list[RouteNode]:
    """Those that together take every case of the matchers; empty where some case is left."""
    names = {matcher.name for matcher in matchers} | {SEVERITY}
    said = _said(matchers)
    able = [node for node in earlier if _may_take(node, said, names)]
    found = reach.cases(sorted(names), matchers) if able else None
    takers: list[RouteNode] = []
    for case in found or ():
        taker = next((node for node in able if _takes(node, matchers, case)), None)
        if taker is None:
            return []
        takers += [taker] if taker not in takers else []
    return takers


def _may_take(node: RouteNode, said: Mapping[str, str], names: set[str]) -> bool:
    """Cheap, for most of a thousand siblings are out at once: it asks for nothing that is left open, or otherwise."""
    return all(
        each.name in names and (each.operator is not Operator.EQUAL or said.get(each.name, each.value) == each.value)
        for each in node.matchers
    )


def _said(matchers: Sequence[Matcher]) -> dict[str, str]:
    return {matcher.name: matcher.value for matcher in matchers if matcher.operator is Operator.EQUAL}


def _takes(node: RouteNode, matchers: Sequence[Matcher], case: reach.Case) -> bool:
    return all(reach.implied(matcher, matchers, case) for matcher in node.matchers)


def _without_ticket(nodes: Sequence[RouteNode], is_ticket: IsTicket) -> Iterator[Finding]:
    for index, node in enumerate(nodes):
        if not all(matcher.matches({REGULATED: "true"}) for matcher in _about_regulated(node)):
            continue
        yield from _without_ticket(node.children, is_ticket)
        applies = not _catches_all(node.children)
        # An alert that continues comes to a later route too where one takes all, and that must be right by itself.
        goes_on = node.continues and _catches_all(nodes[index + 1 :])
        if applies and not goes_on:
            for tier, policy in node.policies.items():
                if not _tickets(policy, is_ticket) or tier is Tier.DIGEST:
                    text = f"route {node.id} may take a regulated alert (tier {tier}) and opens no ticket at once"
                    yield Finding(node, text)
                    break
        if not node.continues and len(_about_regulated(node)) == len(node.matchers):
            return


def _about_regulated(node: RouteNode) -> list[Matcher]:
    return [matcher for matcher in node.matchers if matcher.name == REGULATED]


def _catches_all(nodes: Sequence[RouteNode]) -> bool:
    """Whether every regulated alert ends in one of these."""
    return any(
        not node.continues
        and all(each.name == REGULATED and each.matches({REGULATED: "true"}) for each in node.matchers)
        for node in nodes
    )


def _tickets(policy: Policy, is_ticket: IsTicket) -> bool:
    return any(is_ticket(receiver) for receiver in policy.receivers)
