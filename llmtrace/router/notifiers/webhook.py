"""The generic webhook: Alertmanager's webhook v4 body plus ``llmtrace``, signed as Standard Webhooks where wished."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

import msgspec
from pydantic import BeforeValidator, Field, SecretStr, model_validator

from llmtrace.router.config.schema import Url
from llmtrace.router.config.strict import Strict, wrong
from llmtrace.router.model import Alert, Annotation, Delivery, Notification, Phase, Receipt, Status
from llmtrace.router.notifiers import http
from llmtrace.router.notifiers.settings import check_goes_out
from llmtrace.router.ports import Toolbox

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(24, 65)
_NEVER: Final = "0001-01-01T00:00:00Z"


def _secret(value: Any) -> SecretStr:
    try:
        key = base64.b64decode(str(value).removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not isinstance(value, str) or not value.startswith(_PREFIX) or len(key) not in _KEY_BYTES:
        raise wrong("no signing secret; allowed: whsec_ and then 24 to 64 bytes in base64")
    return SecretStr(value)


class WebhookSettings(Strict):
    """``url`` is not shown in a ``repr``: with many services it is the credential."""

    url: Annotated[Url, Field(repr=False)] = Field(
        description="`https://...`; `http://` and private addresses need `allow_private`"
    )
    secret: Annotated[SecretStr | None, BeforeValidator(_secret)] = Field(
        default=None, description="`whsec_` and 24 to 64 bytes in base64: adds the headers of Standard Webhooks"
    )
    allow_private: bool = Field(default=False, description="the address may be private, and without TLS")
    max_alerts: Annotated[int, Field(ge=0)] = Field(
        default=0, description="how many alerts of a group the body lists; `truncatedAlerts` counts the others; 0: all"
    )

    @model_validator(mode="after")
    def _goes_out_safely(self) -> Self:
        check_goes_out(self.url, "url", allow_private=self.allow_private)
        return self


class WebhookNotifier:
    """Posts JSON to one URL."""

    def __init__(self, settings: WebhookSettings, tools: Toolbox) -> None:
        self._settings = settings
        self._tools = tools

    async def send(self, delivery: Delivery) -> Receipt:
        """Post once. The body is the same at each attempt, the signature's time is not."""
        now = self._tools.clock.now()
        body = _body(delivery, self._tools.external_url, self._settings.max_alerts)
        headers = {"content-type": "application/json", "user-agent": "llmtrace-router"}
        if self._settings.secret is not None:
            headers |= sign(delivery.notification.id, now, body, self._settings.secret)
        allow_private = self._settings.allow_private
        return await http.post(self._tools.client, self._settings.url, body, headers, now, allow_private=allow_private)


def sign(identifier: str, now: datetime, body: bytes, secret: SecretStr) -> dict[str, str]:
    """Standard Webhooks' headers."""
    timestamp = str(int(now.timestamp()))
    key = base64.b64decode(secret.get_secret_value().removeprefix(_PREFIX))
    signed = hmac.digest(key, b".".join((identifier.encode(), timestamp.encode(), body)), hashlib.sha256)
    return {
        "webhook-id": identifier,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(signed).decode(),
    }


def _body(delivery: Delivery, external_url: str, max_alerts: int) -> bytes:
    notification = delivery.notification
    shown = notification.alerts[: max_alerts or None]
    body = {
        "version": "4",
        "groupKey": notification.group.key,
        "truncatedAlerts": len(notification.alerts) - len(shown),
        "status": "resolved" if notification.phase is Phase.RESOLVED else "firing",
        "receiver": delivery.destination.receiver,
        "groupLabels": notification.group.labels,
        "commonLabels": _common([alert.labels for alert in notification.alerts]),
        "commonAnnotations": _common([alert.annotations for alert in notification.alerts]),
        "externalURL": external_url,
        "alerts": [_alert(alert) for alert in shown],
        "llmtrace": _about(notification),
    }
    return msgspec.json.encode(body)


def _about(notification: Notification) -> dict[str, object]:
    return {
        "tier": notification.tier,
        "reason": notification.reason,
        "dedup_key": notification.dedup_key,
        "decision_id": notification.decision_id,
        "escalation_step": notification.escalation_step,
    }


def _alert(alert: Alert) -> dict[str, object]:
    ended_at = alert.ends_at if alert.status is Status.RESOLVED else None
    return {
        "status": alert.status,
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": _utc(alert.starts_at),
        "endsAt": _utc(ended_at) if ended_at is not None else _NEVER,
        "generatorURL": alert.annotations.get(Annotation.TRACE_URL) or alert.annotations.get(Annotation.SOURCE_URL, ""),
        "fingerprint": alert.fingerprint,
    }


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _common(mappings: list[Mapping[str, str]]) -> dict[str, str]:
    first, *others = mappings
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
