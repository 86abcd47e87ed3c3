"""Splunk On-Call's REST endpoint on loopback: the fields, words and address as published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from destinations import Service

if TYPE_CHECKING:
    from destinations import Call

TYPES = ("CRITICAL", "WARNING", "ACKNOWLEDGEMENT", "INFO", "RECOVERY")


def splunk_oncall() -> Service:
    """`message_type` is the only field that must be there; ours always says which entity it is about, too."""

    def check(call: Call) -> None:
        body = call.body
        assert call.method == "POST"
        assert re.fullmatch(r"/integrations/generic/20131114/alert/[^/]+/[\w.-]+", call.path)
        assert call.headers["content-type"] == "application/json"
        assert body["message_type"] in TYPES
        assert 0 < len(body["entity_id"]) <= 512
        assert 0 < len(body["entity_display_name"]) <= 256
        assert len(body["state_message"]) <= 20_480
        assert isinstance(body["state_start_time"], int)
        links = [value for name, value in body.items() if name.startswith("vo_annotate.u.")]
        assert all(link.startswith(("https://", "http://")) and len(link) <= 1_024 for link in links)

    return Service(check, lambda call: (200, {"result": "success", "entity_id": call.body["entity_id"]}))
