"""Splunk On-Call (VictorOps), by its REST endpoint: a group is an entity there, from CRITICAL to RECOVERY."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote

from pydantic import Field, SecretStr

from llmtrace.router.model import Delivery, Notification, Phase, Receipt, Tier
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.keyed import Keyed
from llmtrace.router.notifiers.settings import SecretFile
from llmtrace.router.ports import Toolbox
from llmtrace.semconv.alert import Severity

LONGEST_NAME: Final = 256
LONGEST_TEXT: Final = 20_000
LONGEST_URL: Final = 1_000

_HOST: Final = "https://alert.victorops.com"
_TYPES: Final = {
    Severity.CRITICAL: "CRITICAL", Severity.ERROR: "CRITICAL", Severity.WARNING: "WARNING", Severity.INFO: "INFO"
}  # fmt: skip
_ENDS: Final = {Phase.ACKNOWLEDGED: "ACKNOWLEDGEMENT", Phase.RESOLVED: "RECOVERY"}


class SplunkOnCallSettings(Keyed):
    """The parts of the REST endpoint's address; ``api_key`` is the credential."""

    credential = "api_key"

    api_key: SecretStr | None = Field(
        default=None,
        description="what stands in the REST endpoint's address before the routing key; this or `api_key_file` must be "
        "set",
    )
    api_key_file: SecretFile | None = Field(default=None, description="a file that holds it")
    routing_key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")] = Field(
        description="who is told there: the last part of that address"
    )

    @property
    def endpoint(self) -> str:
        """The whole address, which holds the key."""
        key = quote(self.key, safe="")
        return f"{self.at(_HOST)}/integrations/generic/20131114/alert/{key}/{self.routing_key}"


class SplunkOnCallNotifier:
    """Posts alerts."""

    def __init__(self, settings: SplunkOnCallSettings, tools: Toolbox) -> None:
        self._api = Api(tools, settings.endpoint, settings.allow_private)

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once."""
        answer = await self._api.call("POST", "", _alert(delivery.notification))
        return answer.confirmed(answer.fields.get("result") == "success", "Splunk On-Call's `result: success`")


def _alert(notification: Notification) -> dict[str, Any]:
    worst = notification.alerts[0]
    alert = {
        "message_type": _message_type(notification),
        "entity_id": notification.dedup_key,
        "entity_display_name": page.title(notification)[:LONGEST_NAME],
        "state_message": page.text(notification, LONGEST_TEXT),
        "state_start_time": int(worst.starts_at.timestamp()),
        "monitoring_tool": "llmtrace",
    }
    if notification.phase is not Phase.FIRING:
        return alert | {"ack_author": notification.acted_by or "llmtrace"}
    return alert | {f"vo_annotate.u.{name}": url for name, url in page.links(worst) if len(url) <= LONGEST_URL}


def _message_type(notification: Notification) -> str:
    """What is to wake somebody does: whether WARNING does is a setting of the account there."""
    if notification.phase is not Phase.FIRING:
        return _ENDS[notification.phase]
    return "CRITICAL" if notification.tier is Tier.PAGE else _TYPES[notification.severity]
