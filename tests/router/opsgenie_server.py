"""The alert API of Opsgenie and Jira Service Management on loopback: fields and lengths as published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from destinations import Service

if TYPE_CHECKING:
    from destinations import Call

FIELDS = {"message", "alias", "description", "priority", "tags", "details", "entity", "source"}


def opsgenie() -> Service:
    """`alerts` are those that were made, by alias; an end of one that is not open is a 404."""
    alerts: dict[str, dict[str, Any]] = {}

    def check(call: Call) -> None:
        assert call.method == "POST"
        assert call.headers["authorization"] == "GenieKey " + "k" * 32
        if not urlsplit(call.path).path.endswith("/alerts"):
            assert parse_qs(urlsplit(call.path).query) == {"identifierType": ["alias"]}
            assert set(call.body) <= {"user", "source", "note"}
            assert len(call.body["user"]) <= 100
            assert len(call.body["note"]) <= 25_000
            return
        body = call.body
        assert set(body) <= FIELDS
        assert 0 < len(body["message"]) <= 130
        assert 0 < len(body["alias"]) <= 250
        assert len(body["description"]) <= 15_000
        assert body["priority"] in ("P1", "P2", "P3", "P4", "P5")
        assert len(body["tags"]) <= 20
        assert all(0 < len(tag) <= 50 for tag in body["tags"])
        assert all(isinstance(value, str) for value in body["details"].values())
        assert sum(len(name) + len(value) for name, value in body["details"].items()) <= 8_000
        assert len(body["entity"]) <= 512
        assert len(body["source"]) <= 100

    def reply(call: Call) -> tuple[int, Any]:
        *_, alias, act = urlsplit(call.path).path.split("/")
        if act == "alerts":
            alerts.setdefault(call.body["alias"], {"status": "open", "count": 0})["count"] += 1
        elif alerts.get(alias, {}).get("status") in (None, "closed"):
            return 404, {"message": "Alert does not exist", "took": 0.1, "requestId": "r"}
        else:
            alerts[alias]["status"] = {"acknowledge": "acked", "close": "closed"}[act]
        return 202, {"result": "Request will be processed", "took": 0.1, "requestId": "r"}

    service = Service(check, reply)
    service.alerts = alerts  # type: ignore[attr-defined]
    return service
