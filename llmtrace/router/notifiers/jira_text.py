"""A notification in the Atlassian Document Format: text nodes only, so that nothing a sender wrote is markup."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from llmtrace.router.model import Alert, Notification, Status
from llmtrace.router.notifiers import page

LONGEST: Final = 32_000
"""Of a description and a comment, as JSON; Jira takes 32,767 characters."""
LONGEST_TEXT: Final = 1_000

_MOST_ALERTS: Final = 20

Node = dict[str, Any]


def document(notification: Notification) -> Node:
    """What a person must know: a paragraph for each alert, as many as there is room for."""
    return _document(_paragraphs(notification))


def comment(notification: Notification) -> Node:
    """The same below a line that says what happened, and who did it."""
    by = f", {notification.phase} by {notification.acted_by}" if notification.acted_by else ""
    first = _paragraph([_text(page.title(notification) + by, strong=True)])
    return _document(iter([first, *_paragraphs(notification)]))


def _document(paragraphs: Iterator[Node]) -> Node:
    content: list[Node] = []
    room = LONGEST - 100
    for paragraph in paragraphs:
        room -= len(json.dumps(paragraph)) + 2
        if room < 0:
            break
        content.append(paragraph)
    return {"version": 1, "type": "doc", "content": content}


def _paragraphs(notification: Notification) -> Iterator[Node]:
    for alert in notification.alerts[:_MOST_ALERTS]:
        yield from _facts(alert)
    if len(notification.alerts) > _MOST_ALERTS:
        yield _paragraph([_text(f"{len(notification.alerts) - _MOST_ALERTS} more")])


def _facts(alert: Alert) -> Iterator[Node]:
    over = " (over)" if alert.status is Status.RESOLVED else ""
    yield _paragraph([_text(alert.name + over, strong=True)])
    for name, value in page.facts(alert):
        yield _paragraph(
            [_text(f"{name}: ", strong=True), _text(value, link=value.startswith(("https://", "http://")))]
        )


def _paragraph(texts: list[Node]) -> Node:
    return {"type": "paragraph", "content": texts}


def _text(text: str, *, strong: bool = False, link: bool = False) -> Node:
    marks: list[Node] = [{"type": "strong"}] if strong else []
    marks += [{"type": "link", "attrs": {"href": text}}] if link and len(text) <= LONGEST_TEXT else []
    node: Node = {"type": "text", "text": text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"}
    return node | ({"marks": marks} if marks else {})
