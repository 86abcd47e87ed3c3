"""Slack, by a bot: an incident is one message in the channel, which changes, with all that follows in its thread."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field, SecretStr

from llmtrace.router.model import Delivery, Notification, Outcome, Phase, Reason, Receipt
from llmtrace.router.notifiers.api import Answer, Api
from llmtrace.router.notifiers.keyed import Keyed
from llmtrace.router.notifiers.settings import SecretFile
from llmtrace.router.notifiers.slack_blocks import Mention, message
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(1, timedelta(seconds=1))
"""What Slack takes for each channel."""

_URL: Final = "https://slack.com/api"
_WORD: Final = re.compile(r"[a-z_]{1,60}")
_GONE: Final = ("message_not_found", "thread_not_found", "cant_update_message", "edit_window_closed")
"""The message that was to be changed or answered: somebody deleted it, or it is not ours."""
_FINAL: Final = ("msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "no_text")
"""They say that this message will never be taken. Anything else may be mended at the other end."""
_LOUD: Final = (Reason.REPEATED, Reason.SEVERITY_ROSE)
"""What is shown in the channel too, although it stands in the thread."""


class SlackBotSettings(Keyed):
    """The bot needs the scope ``chat:write``, and to be in the channel (or ``chat:write.public``)."""

    credential = "token"

    token: SecretStr | None = Field(
        default=None, description="the bot's token, `xoxb-...`; this or `token_file` must be set"
    )
    token_file: SecretFile | None = Field(default=None, description="a file that holds it")
    channel: Annotated[str, Field(pattern=r"^(#[^\s#@]{1,80}|[CGD][A-Z0-9]{6,})$")] = Field(
        description="where it writes: the channel's id, `C0123ABCD`, which survives a new name, or `#name`"
    )
    mention: Mention = Field(
        default=None,
        description="who is mentioned while it fires: `<!subteam^ID>`, `<@ID>`, `<!here>`, `<!channel>`, `<!everyone>`",
    )


class SlackBotNotifier:
    """Posts, answers in threads, and changes what it posted."""

    def __init__(self, settings: SlackBotSettings, tools: Toolbox) -> None:
        self._settings = settings
        self._tools = tools
        base = settings.at(_URL) + "/"
        self._api = Api(tools, base, settings.allow_private, {"authorization": f"Bearer {settings.key}"})

    async def send(self, delivery: Delivery) -> Receipt:
        """Begin a thread, or go on with the one that the handle, ``CHANNEL/TIMESTAMP``, names."""
        said = message(delivery.notification, self._settings.mention, self._tools)
        channel, _, thread = delivery.handle.partition("/")
        if thread:
            answer = await self._go_on(delivery.notification, channel, thread, said)
            if _error(answer) not in _GONE:
                return _receipt(answer, "")
        answer = await self._post(self._settings.channel, said)
        return _receipt(answer, f"{answer.fields.get('channel')}/{answer.fields.get('ts')}")

    async def _go_on(self, notification: Notification, channel: str, thread: str, said: dict[str, Any]) -> Answer:
        """What fires joins the thread; what is over changes the message, and then says so in the thread."""
        if notification.phase is Phase.FIRING:
            return await self._post(channel, said | {"reply_broadcast": notification.reason in _LOUD}, thread)
        changed = await self._api.call("POST", "chat.update", said | {"channel": channel, "ts": thread})
        if _receipt(changed, "").outcome is not Outcome.DELIVERED:
            return changed
        by = f" by {notification.acted_by}" if notification.acted_by else ""
        short = {"type": "plain_text", "text": f"{notification.phase}{by}"[:2_000]}
        return await self._post(channel, {"text": said["text"], "blocks": [{"type": "section", "text": short}]}, thread)

    async def _post(self, channel: str, said: dict[str, Any], thread: str | None = None) -> Answer:
        fields = said | {"channel": channel, "unfurl_links": False, "unfurl_media": False}
        return await self._api.call("POST", "chat.postMessage", fields | ({"thread_ts": thread} if thread else {}))


def rate_key(settings: Any) -> str:
    """Each channel of each bot has its own."""
    return f"{settings.key}/{settings.channel}"


def _error(answer: Answer) -> str:
    """Slack's word for what is wrong, which comes with a status of 200; empty where there is none."""
    said = answer.fields.get("error")
    return said if answer.fields.get("ok") is False and isinstance(said, str) and _WORD.fullmatch(said) else ""


def _receipt(answer: Answer, handle: str) -> Receipt:
    error = _error(answer)
    if error and not answer.failed:
        outcome = Outcome.REFUSED if error in _FINAL else Outcome.RETRY
        return replace(answer.receipt, outcome=outcome, detail=f"{answer.receipt.detail}, but Slack says {error}")
    receipt = answer.confirmed(answer.fields.get("ok") is True, "Slack's `ok: true`")
    return replace(receipt, handle=handle) if receipt.outcome is Outcome.DELIVERED else receipt
