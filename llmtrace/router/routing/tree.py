"""The route tree: an alert in, the routes that apply to it out."""

from __future__ import annotations

from collections.abc import Sequence

from llmtrace.router.config import RouteNode
from llmtrace.router.matchers import all_match
from llmtrace.router.model import Alert


def route(alert: Alert, nodes: Sequence[RouteNode]) -> tuple[RouteNode, ...]:
    """The first node that matches, and those after it while ``continue`` says so; empty where none does.

    Of a node's children the same holds; a node whose children do not match applies itself.
    """
    found: list[RouteNode] = []
    for node in nodes:
        if all_match(node.matchers, alert.labels, alert.annotations):
            found.extend(route(alert, node.children) or (node,))
            if not node.continues:
                break
    return tuple(found)
