"""ServiceNow, Table API: one incident for each group, found by its correlation id before another one is made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from llmtrace.router.config.strict import Duration, wrong
from llmtrace.router.model import Delivery, Notification, Outcome, Phase, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Answer, Api
from llmtrace.router.notifiers.keyed import Tenant, basic
from llmtrace.router.notifiers.settings import SecretFile, secret_of
from llmtrace.router.ports import Rate, Toolbox
from llmtrace.semconv.alert import Severity

RATE: Final = Rate(60, timedelta(minutes=1))
LONGEST_SHORT: Final = 160
LONGEST_TEXT: Final = 4_000

_RESOLVED: Final = "6"
_URGENCY: Final = {Severity.CRITICAL: "1", Severity.ERROR: "2", Severity.WARNING: "3", Severity.INFO: "3"}


class ServiceNowSettings(Tenant):
    """A token, or a user and a password. ``url`` is for an instance under another name."""

    named = "instance"
    domain = "service-now.com"

    instance: str | None = Field(
        default=None, description="NAME of `https://NAME.service-now.com`; this or `url` must be set"
    )
    token: SecretStr | None = Field(
        default=None, description="a bearer token; this, `token_file`, or `user` and `password` must be set"
    )
    token_file: SecretFile | None = Field(default=None, description="a file that holds it")
    user: str | None = Field(default=None, description="login")
    password: SecretStr | None = Field(default=None, description="login")
    table: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")] = Field(
        default="incident", description="where tickets are made"
    )
    due: Duration | None = Field(default=None, description="how long after the message the ticket is due")
    assignment_group: str | None = Field(default=None, description="as ServiceNow calls it")

    @model_validator(mode="after")
    def _enters(self) -> Self:
        if self.user is None or self.password is None:
            if self.token is None and self.token_file is None:
                raise wrong("needs one of token and token_file, or user and password", key="token")
            secret_of(self.token, self.token_file, "token")
        return self

    @property
    def authorization(self) -> str:
        """The header's value."""
        if self.user is not None and self.password is not None:
            return basic(self.user, self.password.get_secret_value())
        return "Bearer " + secret_of(self.token, self.token_file, "token")


class ServiceNowNotifier:
    """Searches, then creates or updates."""

    def __init__(self, settings: ServiceNowSettings, tools: Toolbox) -> None:
        self._settings = settings
        headers = {"authorization": settings.authorization}
        self._api = Api(tools, f"{settings.base}/api/now/table/{settings.table}", settings.allow_private, headers)

    async def send(self, delivery: Delivery) -> Receipt:
        """One search and one write. A ticket that was made but not answered for is found at the next attempt."""
        notification = delivery.notification
        key = quote(f"correlation_id={notification.dedup_key}^active=true", safe="")
        search = await self._api.call("GET", f"?sysparm_query={key}&sysparm_limit=1&sysparm_fields=sys_id,number")
        found = _found(search)
        if search.failed or found is None:
            return search.confirmed(found is not None, "ServiceNow's list of tickets")
        if found:
            answer = await self._api.call("PATCH", f"/{quote(found, safe='')}", _update(notification))
        elif notification.phase is Phase.FIRING:
            answer = await self._api.call("POST", "", self._new(notification))
        else:
            return Receipt(Outcome.DELIVERED, "no open ticket to update")
        result = answer.fields.get("result")
        return answer.confirmed(isinstance(result, dict) and "sys_id" in result, "ServiceNow's ticket")

    def _new(self, notification: Notification) -> dict[str, str]:
        fields = {
            "correlation_id": notification.dedup_key,
            "correlation_display": "llmtrace",
            "short_description": page.title(notification)[:LONGEST_SHORT],
            "description": page.text(notification, LONGEST_TEXT),
            "urgency": _URGENCY[notification.severity],
            "impact": _URGENCY[notification.severity],
            "assignment_group": self._settings.assignment_group or "",
            "due_date": "" if self._settings.due is None else _utc(notification.created_at + self._settings.due),
        }
        return {name: value for name, value in fields.items() if value}


def _update(notification: Notification) -> dict[str, str]:
    fields = {"work_notes": f"{page.title(notification)}\n{page.text(notification, LONGEST_TEXT)}"[:LONGEST_TEXT]}
    if notification.phase is Phase.RESOLVED:
        who = notification.acted_by or f"llmtrace ({notification.reason})"
        fields |= {"state": _RESOLVED, "close_code": "Resolved by caller", "close_notes": f"resolved by {who}"}
    return fields


def _found(answer: Answer) -> str | None:
    """The ticket's sys_id, empty where there is none; None for what is no answer of a Table API."""
    try:
        result = answer.fields["result"]
        return str(result[0]["sys_id"]) if result else ""
    except (KeyError, TypeError, IndexError):
        return None


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
