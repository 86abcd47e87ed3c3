"""PagerDuty's endpoint for change events on loopback: the fields and lengths as published."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from destinations import Service

if TYPE_CHECKING:
    from destinations import Call


def pagerduty_change() -> Service:
    """A change has a routing key and a payload, and nothing of an alert's life."""

    def check(call: Call) -> None:
        assert (call.method, call.path) == ("POST", "/v2/change/enqueue")
        assert set(call.body) <= {"routing_key", "payload", "links", "images"}
        assert len(call.body["routing_key"]) == 32
        payload = call.body["payload"]
        assert set(payload) <= {"summary", "source", "timestamp", "custom_details"}
        assert 0 < len(payload["summary"]) <= 1_024
        assert payload["source"]
        assert datetime.fromisoformat(payload["timestamp"]).tzinfo is not None
        assert all(set(link) == {"href", "text"} for link in call.body["links"])
        assert int(call.headers["content-length"]) <= 512_000

    return Service(check, lambda _call: (202, {"status": "success", "message": "Change event processed"}))
