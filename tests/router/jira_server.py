"""Jira Cloud's REST API 3 on loopback: search, create, comment and transitions, as published."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from destinations import Service

if TYPE_CHECKING:
    from destinations import Call

LOGIN = "Basic " + base64.b64encode(b"bot@example.org:" + b"k" * 32).decode()
MISSING = (404, {"errorMessages": ["Issue does not exist or you do not have permission to see it."], "errors": {}})
STATUS = {
    "new": {"name": "To Do", "statusCategory": {"key": "new"}},
    "done": {"name": "Done", "statusCategory": {"key": "done"}},
}
TRANSITIONS = [
    {"id": "11", "name": "Start", "to": {"name": "In Progress", "statusCategory": {"key": "indeterminate"}}},
    {"id": "31", "name": "Close", "to": {"name": "Done", "statusCategory": {"key": "done"}}},
    {"id": "41", "name": "Reject", "to": {"name": "Rejected", "statusCategory": {"key": "done"}}},
]


class Jira(Service):
    """`issues` are those that were made; while ``lags`` its search does not find them, as the real one's index."""

    def __init__(self) -> None:
        super().__init__(check, self.respond)
        self.issues: list[dict[str, Any]] = []
        self.lags = False

    def respond(self, call: Call) -> tuple[int, Any]:
        path = urlsplit(call.path).path.removeprefix("/rest/api/3/")
        if path == "search/jql":
            return 200, {"issues": [] if self.lags else self._found(call.body["jql"])[:1], "isLast": True}
        if path == "issue":
            made = {"key": f"LEGAL-{len(self.issues) + 1}", "status": "new", "comments": [], **call.body["fields"]}
            self.issues.append(made)
            return 201, {"id": "1", "key": made["key"], "self": "https://x"}
        key, _, rest = path.removeprefix("issue/").partition("/")
        issue = next((each for each in self.issues if each["key"] == key), None)
        return MISSING if issue is None else self._about(issue, call, rest)

    def _found(self, jql: str) -> list[dict[str, Any]]:
        label = re.fullmatch(
            r'project = "LEGAL" AND labels = "([\w-]+)" AND statusCategory != Done ORDER BY created ASC', jql
        )[1]
        return [
            {"id": "1", "key": each["key"]}
            for each in self.issues
            if label in each["labels"] and each["status"] != "done"
        ]

    def _about(self, issue: dict[str, Any], call: Call, rest: str) -> tuple[int, Any]:
        if rest == "comment":
            issue["comments"].append(call.body["body"])
            return 201, {"id": str(len(issue["comments"])), "body": call.body["body"]}
        if rest == "transitions" and call.method == "GET":
            return 200, {"expand": "transitions", "transitions": TRANSITIONS}
        if rest == "transitions":
            issue["status"], issue["ended_by"] = "done", call.body["transition"]["id"]
            return 204, ""
        return 200, {"key": issue["key"], "fields": {"status": STATUS[issue["status"]]}}


def check(call: Call) -> None:
    """Raise an assertion error for what the real one refuses."""
    assert call.headers["authorization"] == LOGIN
    assert call.headers["accept"] == "application/json"
    path = urlsplit(call.path).path
    if path.endswith("/issue"):
        fields = call.body["fields"]
        assert set(fields["project"]) == {"key"}
        assert set(fields["issuetype"]) == {"name"}
        assert 0 < len(fields["summary"]) <= 255
        assert "\n" not in fields["summary"]
        assert all(label and not re.search(r"\s", label) and len(label) <= 255 for label in fields["labels"])
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", fields.get("duedate", "2026-01-01"))
        check_document(fields["description"])
    if path.endswith("/comment"):
        check_document(call.body["body"])


def check_document(document: dict[str, Any]) -> None:
    """A document of paragraphs of text, within Jira's 32,767 characters."""
    assert (document["version"], document["type"]) == (1, "doc")
    assert len(json.dumps(document)) <= 32_767
    assert document["content"]
    for paragraph in document["content"]:
        assert paragraph["type"] == "paragraph"
        for node in paragraph["content"]:
            assert node["type"] == "text"
            assert node["text"]
            for mark in node.get("marks", ()):
                assert mark["type"] in ("strong", "link")
                assert mark["type"] == "strong" or mark["attrs"]["href"].startswith(("https://", "http://"))
