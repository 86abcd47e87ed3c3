"""PagerDuty, Events API v2: a group is an alert there, under the same dedup key until it is resolved."""

from __future__ import annotations

import json
import re
from datetime import UTC, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr

from llmtrace.router.config.schema import Url
from llmtrace.router.config.strict import wrong
from llmtrace.router.model import Alert, Delivery, Notification, Phase, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Api
from llmtrace.router.notifiers.keyed import Keyed
from llmtrace.router.notifiers.settings import SecretFile
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(120, timedelta(minutes=1))
"""What PagerDuty takes for each integration key."""
LONGEST_SUMMARY: Final = 1_024
LARGEST_BODY: Final = 512_000
"""Bytes. What goes beyond loses its details, not its page."""

_HOSTS: Final = {"us": "https://events.pagerduty.com", "eu": "https://events.eu.pagerduty.com"}
_ACTIONS: Final = {Phase.FIRING: "trigger", Phase.ACKNOWLEDGED: "acknowledge", Phase.RESOLVED: "resolve"}
_KEY: Final = re.compile(r"[A-Za-z0-9]{32}")
_MOST_LINKS: Final = 10
_MOST_ALERTS: Final = 20


def _routing_key(value: Any) -> SecretStr:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise wrong("no routing key; allowed: the 32 letters and digits of an Events API v2 integration")
    return SecretStr(value)


class PagerDutyAccount(Keyed):
    """Whose integration it is, and in which region."""

    credential = "routing_key"

    routing_key: Annotated[SecretStr | None, BeforeValidator(_routing_key)] = Field(
        default=None,
        description="the 32 characters of an Events API v2 integration; this or `routing_key_file` must be set",
    )
    routing_key_file: SecretFile | None = Field(default=None, description="a file that holds them")
    region: Literal["us", "eu"] = Field(default="us", description="`us` or `eu`")

    @property
    def endpoint(self) -> str:
        """The address without a path."""
        return self.at(_HOSTS[self.region])


class PagerDutySettings(PagerDutyAccount):
    """The same, and what its pages show."""

    images: list[Url] = Field(default_factory=list, description="addresses of images that each page shows")


class PagerDutyNotifier:
    """Posts events."""

    def __init__(self, settings: PagerDutySettings, tools: Toolbox) -> None:
        self._settings = settings
        self._tools = tools
        self._api = Api(tools, settings.endpoint, settings.allow_private)

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once."""
        event = self._event(delivery.notification)
        if len(json.dumps(event, ensure_ascii=False).encode()) > LARGEST_BODY:
            event["payload"]["custom_details"] = {"truncated": "the details were too large"}
        answer = await self._api.call("POST", "/v2/enqueue", event)
        return answer.confirmed(answer.fields.get("status") == "success", "PagerDuty's `status: success`")

    def _event(self, notification: Notification) -> dict[str, Any]:
        event: dict[str, Any] = {
            "routing_key": self._settings.key,
            "event_action": _ACTIONS[notification.phase],
            "dedup_key": notification.dedup_key,
        }
        if notification.phase is Phase.FIRING:
            event["payload"] = _payload(notification)
            event["links"] = list(self._links(notification))[:_MOST_LINKS]
            event["images"] = [{"src": url} for url in self._settings.images]
            event |= {"client": "llmtrace", "client_url": self._tools.external_url}
        return event

    def _links(self, notification: Notification) -> list[dict[str, str]]:
        worst = notification.alerts[0]
        return [{"href": url, "text": name} for name, url in page.links(worst)]


def _payload(notification: Notification) -> dict[str, Any]:
    worst = notification.alerts[0]
    payload = {
        "summary": page.title(notification)[:LONGEST_SUMMARY],
        "source": worst.labels.get("service") or worst.labels.get("source") or "llmtrace",
        "severity": notification.severity.value,
        "timestamp": worst.starts_at.astimezone(UTC).isoformat(),
        "component": worst.labels.get("model", ""),
        "group": notification.group.labels.get("service", ""),
        "class": worst.name,
        "custom_details": _details(notification.alerts),
    }
    return {name: value for name, value in payload.items() if value}


def _details(alerts: tuple[Alert, ...]) -> dict[str, Any]:
    worst, *others = alerts
    details: dict[str, Any] = dict(page.facts(worst))
    if others:
        details["others"] = [" ".join(value for _, value in page.facts(alert))[:500] for alert in others[:_MOST_ALERTS]]
        details["alerts"] = len(alerts)
    return details
