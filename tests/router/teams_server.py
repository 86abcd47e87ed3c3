"""A Teams flow on loopback that takes what "When a Teams webhook request is received" takes: one Adaptive Card."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from destinations import Service

if TYPE_CHECKING:
    from destinations import Call


def teams() -> Service:
    """The envelope, the card and its size as published. Elements that would read Markdown are faults."""

    def check(call: Call) -> None:
        assert call.method == "POST"
        assert call.headers["content-type"] == "application/json"
        assert int(call.headers["content-length"]) <= 28_000
        assert call.body["type"] == "message"
        (attachment,) = call.body["attachments"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        card = attachment["content"]
        assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        assert card["body"]
        for block in card["body"]:
            check_block(block)
        assert len(card["actions"]) <= 6
        for action in card["actions"]:
            assert set(action) == {"type", "title", "url"}
            assert action["type"] == "Action.OpenUrl"
            assert action["url"].startswith(("https://", "http://"))
        assert 'TextBlock"' not in json.dumps(card).replace("RichTextBlock", "")

    return Service(check, lambda _call: (202, ""))


def check_block(block: dict[str, Any]) -> None:
    """Raise an assertion error unless it is a line of text runs."""
    assert block["type"] == "RichTextBlock"
    assert block["inlines"]
    for run in block["inlines"]:
        assert run["type"] == "TextRun"
        assert run["text"]
        assert run.get("size", "Default") in ("Small", "Default", "Medium", "Large", "ExtraLarge")
        assert run.get("weight", "Default") in ("Lighter", "Default", "Bolder")
        assert run.get("color", "Default") in ("Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention")
