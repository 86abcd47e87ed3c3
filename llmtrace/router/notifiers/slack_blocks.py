"""What a Slack message says: Block Kit within its limits; what a sender wrote cannot mention anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

from llmtrace.router.config.strict import wrong
from llmtrace.router.model import Alert, Notification, Phase, Status
from llmtrace.router.notifiers import page
from llmtrace.router.ports import Toolbox

MOST_BLOCKS: Final = 50
LONGEST_HEADER: Final = 150
LONGEST_SECTION: Final = 3_000
LONGEST_TOTAL: Final = 12_000
"""Characters; a message of about 13,200 is refused as too long."""
LONGEST_URL: Final = 3_000

_MENTION: Final = re.compile(r"<!subteam\^[A-Z0-9]+>|<@[A-Z0-9]+>|<!(here|channel|everyone)>")
_MOST_ALERTS: Final = 10
_MARKS: Final = {Phase.FIRING: ":rotating_light:", Phase.ACKNOWLEDGED: ":eyes:", Phase.RESOLVED: ":white_check_mark:"}

Block = dict[str, Any]


def _mention(value: Any) -> str:
    if not isinstance(value, str) or not _MENTION.fullmatch(value):
        raise wrong("no mention; allowed: <!subteam^ID>, <@ID>, <!here>, <!channel> or <!everyone>")
    return value


Mention = Annotated[str | None, BeforeValidator(_mention)]


def message(notification: Notification, mention: str | None, tools: Toolbox) -> dict[str, Any]:
    """Text for notifications and blocks for readers."""
    text = escape(page.title(notification))[:LONGEST_SECTION]
    return {"text": text, "blocks": _blocks(notification, mention, tools)}


def _blocks(notification: Notification, mention: str | None, tools: Toolbox) -> list[Block]:
    blocks = list(_opening(notification, mention))
    room = LONGEST_TOTAL - sum(len(json.dumps(block)) for block in blocks)
    for alert in notification.alerts[:_MOST_ALERTS]:
        block = _section(_lines(alert))
        room -= len(json.dumps(block))
        if room < 0:
            break
        blocks.append(block)
    told = sum(1 for block in blocks if block["type"] == "section")
    if len(notification.alerts) > told:
        blocks.append(_section(f"_{len(notification.alerts) - told} more_"))
    return [*blocks, *_buttons(notification, tools)][:MOST_BLOCKS]


def _opening(notification: Notification, mention: str | None) -> Iterator[dict[str, Any]]:
    title = f"{_MARKS[notification.phase]} {page.title(notification)}"
    yield {"type": "header", "text": {"type": "plain_text", "text": _cut(title, LONGEST_HEADER), "emoji": True}}
    said = [mention] if mention and notification.phase is Phase.FIRING else []
    said += [f"escalation step {notification.escalation_step}"] if notification.escalation_step else []
    said += [f"{notification.phase} by {escape(notification.acted_by)}"] if notification.acted_by else []
    if said:
        yield {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(said)}]}


def _buttons(notification: Notification, tools: Toolbox) -> Iterator[dict[str, Any]]:
    wanted = list(page.links(notification.alerts[0]))
    if notification.incident_id is not None and notification.phase is Phase.FIRING:
        url = tools.acknowledge_url(notification.incident_id)
        wanted += [("acknowledge", url)] if url else []
    buttons = [
        {"type": "button", "text": {"type": "plain_text", "text": name}, "url": url, "action_id": f"open-{name}"}
        for name, url in wanted
        if len(url) <= LONGEST_URL
    ]
    if buttons:
        yield {"type": "actions", "elements": buttons}


def escape(text: str) -> str:
    """The three characters by which Slack's markup begins."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _lines(alert: Alert) -> str:
    over = " (over)" if alert.status is Status.RESOLVED else ""
    facts = [f"*{escape(name)}:* {escape(value)}" for name, value in page.facts(alert)]
    return "\n".join([f"*{escape(alert.name)}*{over}", *facts])


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": _cut(text, LONGEST_SECTION)}}


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
