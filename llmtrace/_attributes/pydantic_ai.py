"""Pydantic AI's messages, requests and responses whose parts say what they are in `part_kind` -> plain messages."""

from __future__ import annotations

from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Fields, entries, fields, text

_ROLES: Final = {"system-prompt": "system", "user-prompt": "user", "tool-return": "tool", "builtin-tool-return": "tool"}
_MEDIA: Final = {
    "image-url": "image",
    "audio-url": "audio",
    "video-url": "video",
    "document-url": "media",
    "binary": "media",
}


def is_theirs(found: Fields) -> bool:
    """Whether these are the fields of a request or a response of theirs."""
    return text(found.get("kind")) in ("request", "response") and type(found.get("parts")) is list


def plain_messages(found: Fields) -> list[dict[str, Any]]:
    """A request as a message for each of its parts, a response as one message."""
    parts = [fields(part) for part in entries(found.get("parts"))]
    if text(found.get("kind")) != "request":
        return [answer(parts)]
    instructions = text(found.get("instructions"))
    told = [] if instructions is None else [{"role": "system", "content": instructions}]
    return [*told, *map(_asked, parts)]


def _asked(part: Fields) -> dict[str, Any]:
    kind = text(part.get("part_kind")) or ""
    is_of_tool = kind == "retry-prompt" and part.get("tool_name") is not None
    return {
        "role": "tool" if is_of_tool else _ROLES.get(kind, "user"),
        "content": _content(part.get("content")),
        "name": part.get("tool_name"),
        "tool_call_id": part.get("tool_call_id"),
    }


def _content(content: object) -> object:
    items = entries(content)
    return [_given(item) for item in each(items)] if items else content


def _given(item: object) -> object:
    """What a user gives beside text, by its kind: an address, or the bytes themselves."""
    found = fields(item)
    kind = None if type(item) is str else _MEDIA.get(text(found.get("kind")) or "")
    if kind is None:
        return item
    mime = found.get("media_type") if kind == "media" else None  # of an address it is guessed, and may fail
    return {"type": kind, "url": found.get("url"), "data": found.get("data"), "mime_type": mime}


def answer(parts: list[Fields]) -> dict[str, Any]:
    """The parts of a response as one message of the assistant's."""
    return {
        "role": "assistant",
        "content": "".join(_texts(parts, "text")) or None,
        "reasoning": "".join(_texts(parts, "thinking")) or None,
        "tool_calls": [_call(part) for part in parts if _is_call(part)] or None,
    }


def _is_call(part: Fields) -> bool:
    return (text(part.get("part_kind")) or "").endswith("tool-call")


def _texts(parts: list[Fields], kind: str) -> list[str]:
    return [text(part.get("content")) or "" for part in parts if text(part.get("part_kind")) == kind]


def _call(part: Fields) -> dict[str, Any]:
    function = {"name": part.get("tool_name"), "arguments": part.get("args")}
    return {"id": part.get("tool_call_id"), "function": function}
