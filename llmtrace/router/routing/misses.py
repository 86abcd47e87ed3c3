"""Why an alert was no page: which routes that page did not take it, and what stood in the way. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from llmtrace.router.config import RouteNode, RouterConfig
from llmtrace.router.matchers import Matcher
from llmtrace.router.model import Alert, Tier
from llmtrace.router.ports import NoPage

_MOST: Final = 20


def missed(found: NoPage, config: RouterConfig) -> list[str]:
    """What stood in the way of a page; and which routes that page did not take the alert, where none of them did."""
    others = "" if found.rules == config.hash else " (by the rules as they are now, which are others)"
    passed_by = [] if found.is_paging_route else list(misses(found.alert, config.routes))[:_MOST]
    return [f"  {line}" for line in found.why] + [f"  {line}{others}" for line in passed_by]


def misses(alert: Alert, nodes: Sequence[RouteNode]) -> Iterator[str]:
    """One line for each route that pages and did not take the alert, in the order of the rules."""
    taker: RouteNode | None = None
    for node in nodes:
        if taker is not None:
            yield from _paging(node, f"{taker.id} before it takes the alert")
            continue
        failing = _failing(alert, node)
        if failing is not None:
            actual = alert.labels.get(failing.name) or alert.annotations.get(failing.name)
            is_now = f"is {actual!r}" if actual else "is missing"
            yield from _paging(node, f"{failing} does not hold: {failing.name} {is_now}")
            continue
        yield from misses(alert, node.children)
        if not node.continues:
            taker = node


def _failing(alert: Alert, node: RouteNode) -> Matcher | None:
    """The first matcher that does not hold."""
    return next((each for each in node.matchers if not each.matches(alert.labels, alert.annotations)), None)


def _paging(node: RouteNode, why: str) -> Iterator[str]:
    """The route and those below it, as far as the file says that they page."""
    if node.tier is Tier.PAGE:
        yield f"no page by {node.id}: {why}"
    for child in node.children:
        yield from _paging(child, why)
