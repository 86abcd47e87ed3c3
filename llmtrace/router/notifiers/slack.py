"""Slack, by incoming webhook, whose messages stay as they are: see ``slack_bot`` for those that change."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final, Self

from pydantic import Field, SecretStr, model_validator

from llmtrace.router.config.schema import Url
from llmtrace.router.config.strict import Strict
from llmtrace.router.model import Delivery, Receipt
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.settings import SecretFile, check_goes_out, secret_of
from llmtrace.router.notifiers.slack_blocks import Mention, message
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(1, timedelta(seconds=1))
"""What Slack takes for each channel."""


class SlackSettings(Strict):
    """``webhook_url`` is a credential and never shown."""

    webhook_url: Annotated[Url | None, Field(repr=False)] = Field(
        default=None, description="the address, a credential; this or `webhook_url_file` must be set"
    )
    webhook_url_file: SecretFile | None = Field(default=None, description="a file that holds it")
    mention: Mention = Field(
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
        said = message(delivery.notification, self._settings.mention, self._tools)
        answer = await Api(self._tools, self._settings.url, self._settings.allow_private).call("POST", "", said)
        return answer.confirmed(answer.body.strip() == b"ok", "Slack's `ok`")
