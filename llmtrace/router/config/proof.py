"""What can be proven of the rules without an alert: regulated ones reach a ticket, each route can be reached. Pure.

A proof looks at the label ``regulated`` alone: whatever else a matcher asks for, some alert may have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from llmtrace.router.config.settings import RouteNode
from llmtrace.router.matchers import Matcher, Operator
from llmtrace.router.model import REGULATED, Policy, Tier

IsTicket = Callable[[str], bool]
"""Whether a receiver opens tickets."""


def mentions_regulated(nodes: Sequence[RouteNode]) -> bool:
    """Whether the rules treat regulated alerts on their own anywhere."""
    return any(
        any(matcher.name == REGULATED for matcher in node.matchers) or mentions_regulated(node.children)
        for node in nodes
    )


def without_ticket(nodes: Sequence[RouteNode], unrouted: Policy, is_ticket: IsTicket) -> Iterator[str]:
    """The routes by which a regulated alert could come to no ticket, in words; none: it is proven."""
    yield from _without_ticket(nodes, is_ticket)
    if not _catches_all(nodes) and not _tickets(unrouted, is_ticket):
        yield "a regulated alert that no route matches opens no ticket"


def unreachable(nodes: Sequence[RouteNode]) -> Iterator[str]:
    """Routes that no alert ever comes to, because one before them takes all that they match."""
    for index, node in enumerate(nodes):
        taken = next((other for other in nodes[:index] if not other.continues and _covers(other, node)), None)
        if taken is not None:
            yield f"route {node.id} is never reached: {taken.id} before it takes all that it matches"
        yield from unreachable(node.children)


def dead_matchers(nodes: Sequence[RouteNode], above: tuple[Matcher, ...] = ()) -> Iterator[str]:
    """Matchers that contradict another one of the same route or of a parent."""
    for node in nodes:
        every = (*above, *node.matchers)
        equal = {matcher.name: matcher.value for matcher in every if matcher.operator is Operator.EQUAL}
        for matcher in every:
            if matcher.name in equal and not matcher.matches({matcher.name: equal[matcher.name]}):
                yield f'route {node.id} matches no alert: {matcher} contradicts {matcher.name}="{equal[matcher.name]}"'
                break
        else:
            yield from dead_matchers(node.children, every)


def _without_ticket(nodes: Sequence[RouteNode], is_ticket: IsTicket) -> Iterator[str]:
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
                    yield f"route {node.id} may take a regulated alert (tier {tier}) and opens no ticket at once"
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


def _covers(first: RouteNode, second: RouteNode) -> bool:
    """Whether all that the second one matches is matched by the first one, as far as equal matchers show."""
    return set(first.matchers) <= set(second.matchers)
