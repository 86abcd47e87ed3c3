"""Opsgenie and Jira Service Management: the same alert API at two addresses; a group is the alert with its alias."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field, SecretStr

from llmtrace.router.config.schema import Url
from llmtrace.router.model import Delivery, Notification, Outcome, Phase, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.keyed import Keyed
from llmtrace.router.notifiers.settings import SecretFile
from llmtrace.router.ports import Toolbox
from llmtrace.semconv.alert import Severity

ENDS: Final = "Opsgenie's API ends on 2027-04-05; the notifier jsm takes the same alerts: move to it before"
LONGEST_MESSAGE: Final = 130
LONGEST_TEXT: Final = 15_000
LONGEST_NOTE: Final = 25_000
LONGEST_DETAILS: Final = 8_000
"""Characters of all details together, names included."""
LONGEST_TAG: Final = 50
LONGEST_WORD: Final = 100
"""Of the fields `source`, `user` and the like."""

_REGIONS: Final = {"us": "https://api.opsgenie.com/v2/alerts", "eu": "https://api.eu.opsgenie.com/v2/alerts"}
_JSM: Final = "https://api.atlassian.com/jsm/ops/integration/v2/alerts"
_PRIORITIES: Final = {Severity.CRITICAL: "P1", Severity.ERROR: "P2", Severity.WARNING: "P3", Severity.INFO: "P5"}
_ENDS: Final = {Phase.ACKNOWLEDGED: "acknowledge", Phase.RESOLVED: "close"}


class JsmSettings(Keyed):
    """The key of an integration, which may create and close alerts; a personal API token may not."""

    credential = "api_key"

    api_key: SecretStr | None = Field(
        default=None, description="the key of an API integration; this or `api_key_file` must be set"
    )
    api_key_file: SecretFile | None = Field(default=None, description="a file that holds it")
    tags: list[str] = Field(default_factory=list, max_length=20, description="tags of each alert there")
    url: Annotated[Url | None, Field(repr=False)] = Field(
        default=None, description="another address, such as a proxy's, up to `/alerts`"
    )

    @property
    def endpoint(self) -> str:
        """Where alerts are made."""
        return self.at(_JSM)


class OpsgenieSettings(JsmSettings):
    """The same for Opsgenie itself, while it lasts."""

    region: Literal["us", "eu"] = Field(default="us", description="`us` or `eu`")

    @property
    def endpoint(self) -> str:
        """Where alerts are made."""
        return self.at(_REGIONS[self.region])


class OpsgenieNotifier:
    """Creates, acknowledges and closes."""

    def __init__(self, settings: JsmSettings, tools: Toolbox) -> None:
        self._tags = [tag[:LONGEST_TAG] for tag in settings.tags]
        headers = {"authorization": f"GenieKey {settings.key}"}
        self._api = Api(tools, settings.endpoint, settings.allow_private, headers)

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once. What is created under an alias that is open already is counted there, not made again."""
        notification = delivery.notification
        if notification.phase is Phase.FIRING:
            answer = await self._api.call("POST", "", self._new(notification))
        else:
            tail = f"/{notification.dedup_key}/{_ENDS[notification.phase]}?identifierType=alias"
            answer = await self._api.call("POST", tail, _end(notification))
            if answer.is_missing:
                return replace(answer.receipt, outcome=Outcome.DELIVERED, detail="no open alert to change")
        return answer.confirmed(answer.fields.get("requestId"), "a `requestId`")

    def _new(self, notification: Notification) -> dict[str, Any]:
        worst = notification.alerts[0]
        return {
            "message": page.title(notification)[:LONGEST_MESSAGE],
            "alias": notification.dedup_key,
            "description": page.text(notification, LONGEST_TEXT),
            "priority": _priority(notification),
            "tags": self._tags,
            "details": _details(notification),
            "entity": worst.labels.get("service", "")[:LONGEST_WORD],
            "source": "llmtrace",
        }


def _priority(notification: Notification) -> str:
    said = notification.alerts[0].labels.get("priority", "")
    return said if said in ("P1", "P2", "P3", "P4", "P5") else _PRIORITIES[notification.severity]


def _details(notification: Notification) -> dict[str, str]:
    """The worst alert's facts, as many as there is room for."""
    details: dict[str, str] = {}
    room = LONGEST_DETAILS
    for name, value in page.facts(notification.alerts[0]):
        room -= len(name) + len(value)
        if room < 0:
            break
        details[name] = value
    return details


def _end(notification: Notification) -> dict[str, str]:
    who = notification.acted_by or f"llmtrace ({notification.reason})"
    return {"user": who[:LONGEST_WORD], "source": "llmtrace", "note": page.title(notification)[:LONGEST_NOTE]}
