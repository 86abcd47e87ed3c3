"""Slack, by incoming webhook: Block Kit within its limits; what a sender wrote cannot mention anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from llmtrace.router.config.schema import Url
from llmtrace.router.config.strict import Strict, wrong
from llmtrace.router.model import Alert, Delivery, Notification, Phase, Receipt, Status
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.settings import SecretFile, check_goes_out, secret_of
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(1, timedelta(seconds=1))
"""What Slack takes for each channel."""
MOST_BLOCKS: Final = 50
LONGEST_HEADER: Final = 150
LONGEST_SECTION: Final = 3_000
LONGEST_TOTAL: Final = 12_000
"""Characters; a message of about 13,200 is refused as too long."""
LONGEST_URL: Final = 3_000

_MENTION: Final = re.compile(r"<!subteam\^[A-Z0-9]+>|<@[A-Z0-9]+>|<!(here|channel|everyone)>")
_MOST_ALERTS: Final = 10
_MARKS: Final = {Phase.FIRING: ":rotating_light:", Phase.ACKNOWLEDGED: ":eyes:", Phase.RESOLVED: ":white_check_mark:"}


def _mention(value: Any) -> str:
    if not isinstance(value, str) or not _MENTION.fullmatch(value):
        raise wrong("no mention; allowed: <!subteam^ID>, <@ID>, <!here>, <!channel> or <!everyone>")
    return value


class SlackSettings(Strict):
    """``webhook_url`` is a credential and never shown."""

    webhook_url: Annotated[Url | None, Field(repr=False)] = Field(
        default=None, description="the address, a credential; this or `webhook_url_file` must be set"
    )
    webhook_url_file: SecretFile | None = Field(default=None, description="a file that holds it")
    mention: Annotated[str | None, BeforeValidator(_mention)] = Field(
        default=None,
        description="who is mentioned while it fires: `<!subteam^ID>`, `<@ID>`, `<!here>`, `<!channel>`, `<!everyone>`",
    )
    allow_private: bool = Field(default=False, description="the address may be private, and without TLS")

    @model_validator(mode="after")
    def _goes_out_safely(self) -> Self:
        check_goes_out(self.url, "webhook_url", allow_private=self.allow_private)
        return self

    @property
    def url(self) -> str:
        """Where to post."""
        given = None if self.webhook_url is None else SecretStr(self.webhook_url)
        return secret_of(given, self.webhook_url_file, "webhook_url")


class SlackNotifier:
    """Posts messages."""

    def __init__(self, settings: SlackSettings, tools: Toolbox) -> None:
        self._settings = settings
        self._tools = tools

    @classmethod
    def build(cls, settings: SlackSettings, tools: Toolbox) -> Self:
        """Of its settings."""
        return cls(settings, tools)

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once."""
        notification = delivery.notification
        message = {"text": escape(page.title(notification))[:LONGEST_SECTION], "blocks": self._blocks(notification)}
        answer = await Api(self._tools, self._settings.url, self._settings.allow_private).call("POST", "", message)
        return answer.confirmed(answer.body.strip() == b"ok", "Slack's `ok`")

    def _blocks(self, notification: Notification) -> list[dict[str, Any]]:
        blocks = list(self._opening(notification))
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
        return [*blocks, *self._buttons(notification)][:MOST_BLOCKS]

    def _opening(self, notification: Notification) -> Iterator[dict[str, Any]]:
        title = f"{_MARKS[notification.phase]} {page.title(notification)}"
        yield {"type": "header", "text": {"type": "plain_text", "text": _cut(title, LONGEST_HEADER), "emoji": True}}
        said = [self._settings.mention] if self._settings.mention and notification.phase is Phase.FIRING else []
        said += [f"escalation step {notification.escalation_step}"] if notification.escalation_step else []
        said += [f"{notification.phase} by {escape(notification.acted_by)}"] if notification.acted_by else []
        if said:
            yield {"type": "context", "elements": [{"type": "mrkdwn", "text": " · ".join(said)}]}

    def _buttons(self, notification: Notification) -> Iterator[dict[str, Any]]:
        wanted = list(page.links(notification.alerts[0]))
        if notification.incident_id is not None and notification.phase is Phase.FIRING:
            url = self._tools.acknowledge_url(notification.incident_id)
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
