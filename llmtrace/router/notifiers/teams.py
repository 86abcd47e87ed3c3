"""Microsoft Teams, by a Workflows webhook: an Adaptive Card within 28 KB, in which nothing is markup.

All text stands in runs of text, which Teams shows as they are; text blocks and fact sets would read Markdown in them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from llmtrace.router.model import Delivery, Notification, Phase, Receipt, Status
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.keyed import Posting
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(1, timedelta(seconds=1))
"""What its flows take is not published; this is what a reader takes."""
LARGEST_BODY: Final = 27_000
"""Bytes; Teams takes about 28 KB."""
LONGEST_TEXT: Final = 1_000
LONGEST_URL: Final = 1_500

_MOST_ALERTS: Final = 10
_CARD: Final = "application/vnd.microsoft.card.adaptive"
_COLOURS: Final = {Phase.FIRING: "Attention", Phase.ACKNOWLEDGED: "Warning", Phase.RESOLVED: "Good"}

Block = dict[str, Any]


class TeamsSettings(Posting):
    """The address that the flow shows."""


class TeamsNotifier:
    """Posts cards."""

    def __init__(self, settings: TeamsSettings, tools: Toolbox) -> None:
        self._api = Api(tools, settings.address, settings.allow_private)
        self._tools = tools

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once. What a flow answers is its maker's; a page for people is no flow's answer."""
        answer = await self._api.call("POST", "", self._message(delivery.notification))
        return answer.confirmed(not answer.body.lstrip().startswith(b"<"), "the answer of a flow: a page for people")

    def _message(self, notification: Notification) -> Block:
        card = {
            "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
            "type": "AdaptiveCard",
            "version": "1.4",
            "msteams": {"width": "Full"},
            "actions": list(self._actions(notification)),
            "body": [],
        }
        message = {"type": "message", "attachments": [{"contentType": _CARD, "contentUrl": None, "content": card}]}
        card["body"] = _fitting(_blocks(notification), LARGEST_BODY - _size(message))
        return message

    def _actions(self, notification: Notification) -> Iterator[Block]:
        wanted = list(page.links(notification.alerts[0]))
        if notification.incident_id is not None and notification.phase is Phase.FIRING:
            url = self._tools.acknowledge_url(notification.incident_id)
            wanted += [("acknowledge", url)] if url else []
        return (
            {"type": "Action.OpenUrl", "title": name, "url": url} for name, url in wanted if len(url) <= LONGEST_URL
        )


def _blocks(notification: Notification) -> Iterator[Block]:
    """The most urgent first: what does not fit is left out from the end."""
    title = {"size": "Large", "weight": "Bolder", "color": _COLOURS[notification.phase]}
    yield _line(_run(page.title(notification), **title))
    if notification.acted_by:
        yield _line(_run(f"{notification.phase} by {notification.acted_by}"))
    if notification.escalation_step:
        yield _line(_run(f"escalation step {notification.escalation_step}"))
    for alert in notification.alerts[:_MOST_ALERTS]:
        over = " (over)" if alert.status is Status.RESOLVED else ""
        yield {**_line(_run(alert.name + over, weight="Bolder")), "separator": True}
        for name, value in page.facts(alert):
            yield _line(_run(f"{name}: ", weight="Bolder"), _run(value))
    if len(notification.alerts) > _MOST_ALERTS:
        yield _line(_run(f"{len(notification.alerts) - _MOST_ALERTS} more", italic=True))


def _fitting(blocks: Iterator[Block], room: int) -> list[Block]:
    found: list[Block] = []
    for block in blocks:
        room -= _size(block) + 2
        if room < 0:
            break
        found.append(block)
    return found


def _size(part: Block) -> int:
    return len(json.dumps(part, ensure_ascii=False).encode())


def _line(*runs: Block) -> Block:
    return {"type": "RichTextBlock", "inlines": list(runs)}


def _run(text: str, **style: Any) -> Block:
    cut = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    return {"type": "TextRun", "text": cut, **style}
