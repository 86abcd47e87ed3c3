"""Slack, by incoming webhook, whose messages stay as they are: see ``slack_bot`` for those that change."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from pydantic import Field

from llmtrace.router.model import Delivery, Receipt
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.keyed import Posting
from llmtrace.router.notifiers.slack_blocks import Mention, message
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(1, timedelta(seconds=1))
"""What Slack takes for each channel."""


class SlackSettings(Posting):
    """Where to post, and who is mentioned."""

    mention: Mention = Field(
        default=None,
        description="who is mentioned while it fires: `<!subteam^ID>`, `<@ID>`, `<!here>`, `<!channel>`, `<!everyone>`",
    )


class SlackNotifier:
    """Posts messages."""

    def __init__(self, settings: SlackSettings, tools: Toolbox) -> None:
        self._settings = settings
        self._tools = tools

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once."""
        said = message(delivery.notification, self._settings.mention, self._tools)
        answer = await Api(self._tools, self._settings.address, self._settings.allow_private).call("POST", "", said)
        return answer.confirmed(answer.body.strip() == b"ok", "Slack's `ok`")
