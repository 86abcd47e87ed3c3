"""Jira Cloud, REST API 3: one issue for each group, known by its key or found by its label before another is made."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, timedelta
from http import HTTPStatus
from typing import Annotated, Any, Final, Self
from urllib.parse import quote

from pydantic import Field, PrivateAttr, SecretStr, model_validator

from llmtrace.router.config.strict import Duration
from llmtrace.router.model import Delivery, Notification, Outcome, Phase, Receipt
from llmtrace.router.notifiers import page
from llmtrace.router.notifiers.api import Answer, Api
from llmtrace.router.notifiers.jira_text import comment, document
from llmtrace.router.notifiers.keyed import Tenant, basic
from llmtrace.router.notifiers.settings import SecretFile, secret_of
from llmtrace.router.ports import Rate, Toolbox

RATE: Final = Rate(60, timedelta(minutes=1))
LONGEST_SUMMARY: Final = 255

_KEY: Final = re.compile(r"[A-Z][A-Z0-9_]*-[0-9]+")
_DONE: Final = "done"
_NO_ISSUE: Final = "no open issue to update"

Label = Annotated[str, Field(pattern=r"^\S{1,255}$")]


class JiraSettings(Tenant):
    """An account and its API token. ``url`` is for a site under another name."""

    named = "site"
    domain = "atlassian.net"

    site: str | None = Field(
        default=None, description="NAME of `https://NAME.atlassian.net`; this or `url` must be set"
    )
    user: str = Field(description="the account's e-mail address")
    token: SecretStr | None = Field(default=None, description="its API token; this or `token_file` must be set")
    token_file: SecretFile | None = Field(default=None, description="a file that holds it")
    project: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{1,79}$")] = Field(description="the project's key")
    issue_type: str = Field(default="Task", description="the name of a type of issue that the project has")
    labels: list[Label] = Field(default_factory=list, description="labels of each issue, beside the router's own")
    fields: dict[str, Any] = Field(
        default_factory=dict, description="further fields of a new issue, as Jira's API takes them"
    )
    due: Duration | None = Field(default=None, description="how long after the message the issue is due")
    transition: str | None = Field(
        default=None,
        description="the transition that ends an issue; without it the first to a status of the category Done",
    )
    _key: str = PrivateAttr("")

    @model_validator(mode="after")
    def _enters(self) -> Self:
        self._key = secret_of(self.token, self.token_file, "token")
        return self

    @property
    def authorization(self) -> str:
        """The header's value."""
        return basic(self.user, self._key)


class JiraNotifier:
    """Looks for the issue, then makes one, adds to it, or ends it."""

    def __init__(self, settings: JiraSettings, tools: Toolbox) -> None:
        self._settings = settings
        headers = {"authorization": settings.authorization}
        self._api = Api(tools, f"{settings.base}/rest/api/3/", settings.allow_private, headers)

    async def send(self, delivery: Delivery) -> Receipt:
        """Jira's search lags behind what was just made, so that the key of a known issue comes first."""
        notification = delivery.notification
        found = await self._known(delivery.handle) if delivery.handle else ""
        if found == "":
            found = await self._search(notification.dedup_key)
        if isinstance(found, Receipt):
            return found
        if found:
            return replace(await self._go_on(notification, found), handle=found)
        if notification.phase is Phase.FIRING:
            return await self._create(notification)
        return Receipt(Outcome.DELIVERED, _NO_ISSUE)

    async def _known(self, key: str) -> str | Receipt:
        """The key, while the issue is there and not done; empty where it is not."""
        answer = await self._api.call("GET", f"issue/{quote(key, safe='')}?fields=status")
        if answer.is_missing:
            return ""
        category = _at(answer.json, "fields", "status", "statusCategory", "key")
        if answer.failed or not isinstance(category, str):
            return answer.confirmed(taken=False, expected="Jira's issue")
        return "" if category == _DONE else key

    async def _search(self, dedup_key: str) -> str | Receipt:
        """The key of the oldest issue that is not done, empty where there is none."""
        jql = f'project = "{self._settings.project}" AND labels = "{_label(dedup_key)}" AND statusCategory != Done'
        asked = {"jql": f"{jql} ORDER BY created ASC", "maxResults": 1, "fields": ["status"]}
        answer = await self._api.call("POST", "search/jql", asked)
        issues = answer.fields.get("issues")
        key = _at(issues, 0, "key") if issues else ""
        if answer.failed or not isinstance(issues, list) or not _is_key(key):
            return answer.confirmed(taken=False, expected="Jira's list of issues")
        return str(key)

    async def _create(self, notification: Notification) -> Receipt:
        settings = self._settings
        ours: dict[str, Any] = {
            "project": {"key": settings.project},
            "issuetype": {"name": settings.issue_type},
            "summary": " ".join(page.title(notification).split())[:LONGEST_SUMMARY],
            "description": document(notification),
            "labels": [_label(notification.dedup_key), *settings.labels],
        }
        if settings.due is not None:
            ours["duedate"] = (notification.created_at + settings.due).astimezone(UTC).date().isoformat()
        answer = await self._api.call("POST", "issue", {"fields": settings.fields | ours})
        key = answer.fields.get("key")
        made = bool(key) and _is_key(key)
        return replace(answer.confirmed(made, "the key of a new issue"), handle=str(key) if made else "")

    async def _go_on(self, notification: Notification, key: str) -> Receipt:
        """A comment, which may come twice; then, where all is over, the end."""
        answer = await self._api.call("POST", f"issue/{key}/comment", {"body": comment(notification)})
        said = answer.confirmed(answer.fields.get("id"), "Jira's comment")
        if said.outcome is not Outcome.DELIVERED or notification.phase is not Phase.RESOLVED:
            return said
        offered = await self._api.call("GET", f"issue/{key}/transitions")
        transitions = offered.fields.get("transitions")
        if offered.failed or not isinstance(transitions, list):
            return offered.confirmed(taken=False, expected="Jira's transitions")
        chosen = next((_at(each, "id") for each in transitions if self._ends(each)), None)
        if chosen is None:
            return replace(said, detail="commented; no transition ends the issue")
        ended = await self._api.call("POST", f"issue/{key}/transitions", {"transition": {"id": str(chosen)}})
        return ended.confirmed(_is_empty(ended), "Jira's 204")

    def _ends(self, transition: Any) -> bool:
        wished = self._settings.transition
        if wished is not None:
            return bool(_at(transition, "name") == wished)
        return bool(_at(transition, "to", "statusCategory", "key") == _DONE)


def _label(dedup_key: str) -> str:
    return f"llmtrace-{dedup_key}"


def _is_key(value: Any) -> bool:
    return value == "" or (isinstance(value, str) and _KEY.fullmatch(value) is not None)


def _is_empty(answer: Answer) -> bool:
    return answer.receipt.detail == f"HTTP {HTTPStatus.NO_CONTENT.value}"


def _at(value: Any, *path: str | int) -> Any:
    """What stands there; None where the way ends before."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
