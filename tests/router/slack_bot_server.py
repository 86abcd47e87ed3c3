"""Slack's Web API on loopback, as far as a bot that writes needs it: postMessage, threads, update, errors in a 200."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from destinations import Service, check_blocks

if TYPE_CHECKING:
    from destinations import Call

CHANNEL = "C0123ABCD"


def slack_bot() -> Service:
    """`roots` are the messages of the channel by their timestamp, `replies` those of threads in order."""
    roots: dict[str, dict[str, Any]] = {}
    replies: list[dict[str, Any]] = []

    def check(call: Call) -> None:
        assert (call.method, call.path) in (("POST", "/api/chat.postMessage"), ("POST", "/api/chat.update"))
        assert call.headers["authorization"] == "Bearer " + "k" * 32
        assert call.headers["content-type"] == "application/json"
        assert 0 < len(call.body["text"]) <= 40_000
        check_blocks(call.body["blocks"])
        assert ("ts" in call.body) is call.path.endswith("update")
        assert "<!channel>" not in json.dumps(call.body)

    def reply(call: Call) -> tuple[int, Any]:
        ts = call.body.get("ts") or call.body.get("thread_ts")
        if call.body["channel"] not in (CHANNEL, "#ai-ops"):
            return 200, {"ok": False, "error": "channel_not_found"}
        if ts is not None and ts not in roots:
            return 200, {"ok": False, "error": "message_not_found" if "ts" in call.body else "thread_not_found"}
        if call.path.endswith("update"):
            roots[ts] = call.body
        elif ts is not None:
            replies.append(call.body)
        else:
            ts = f"1700000000.{len(roots):06}"
            roots[ts] = call.body
        return 200, {"ok": True, "channel": CHANNEL, "ts": ts, "message": {}}

    service = Service(check, reply)
    service.roots, service.replies = roots, replies  # type: ignore[attr-defined]
    return service
