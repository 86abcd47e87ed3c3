"""Blocks of Bedrock's Converse, which are named by their only field -> Anthropic's blocks that say the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Fields, entries, fields, text
from llmtrace._attributes.media import data_url, encoded_bytes


def converse_block(block: object) -> object:
    """A block of Bedrock's Converse, which is named by its only field, as Anthropic's block that says the same."""
    found = fields(block)
    named = next(((name, fields(held)) for name in _CONVERSE_BLOCKS if (held := found.get(name)) is not None), None)
    if named is not None:
        return _CONVERSE_BLOCKS[named[0]](named[1])
    return {"type": "text", "text": found.get("text")} if text(found.get("text")) is not None else _medium(block)


def _converse_use(use: Fields) -> dict[str, Any]:
    return {"type": "tool_use", "id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}


def _converse_returned(returned: Fields) -> dict[str, Any]:
    content = [_converse_result(item) for item in each(entries(returned.get("content")))]
    return {"type": "tool_result", "tool_use_id": returned.get("toolUseId"), "content": content}


def _converse_thought(thought: Fields) -> dict[str, Any]:
    words, hidden = fields(thought.get("reasoningText")), encoded_bytes(thought.get("redactedContent"))
    if hidden is not None:
        return {"type": "redacted_thinking", "data": hidden}
    return {"type": "thinking", "thinking": words.get("text"), "signature": words.get("signature")}


def _converse_cited(cited: Fields) -> dict[str, Any]:
    return {"type": "text", "text": _joined(cited.get("content")), "citations": cited.get("citations")}


def _joined(parts: object) -> str:
    return "".join(text(fields(part).get("text")) or "" for part in each(entries(parts)))


def _converse_found(found: Fields) -> dict[str, Any]:
    names = ("source", "title", "content")
    return {"type": "search_result", **{name: found.get(name) for name in names}}


_CONVERSE_BLOCKS: Final[dict[str, Callable[[Fields], dict[str, Any]]]] = {
    "toolUse": _converse_use,
    "toolResult": _converse_returned,
    "reasoningContent": _converse_thought,
    "citationsContent": _converse_cited,
    "searchResult": _converse_found,
}


def _medium(block: object) -> object:
    """An image, a document, audio or video, given as bytes or by its address in S3; anything else as it is."""
    found = fields(block)
    kind = next((kind for kind in _CONVERSE_MEDIA if found.get(kind) is not None), None)
    if kind is None:
        return block
    medium = fields(found.get(kind))
    source = fields(medium.get("source"))
    form, name = text(medium.get("format")) or "png", text(medium.get("name"))
    mime = f"{'application' if kind == 'document' else kind}/{form}"
    url = data_url(mime, source.get("bytes")) or text(fields(source.get("s3Location")).get("uri"))
    if url is None:
        words = text(source.get("text")) or _joined(source.get("content"))
        return {"type": "document", "title": name, "source": {"type": "text", "data": words}} if words else block
    if kind == "document":
        return {"type": "file", "file": {"file_data": url, "filename": name}}
    return {"type": kind, "url": url, "mime_type": mime}


def _converse_result(item: object) -> object:
    found = fields(item)
    return found.get("json") if found.get("json") is not None else converse_block(item)


_CONVERSE_MEDIA: Final = ("image", "document", "audio", "video")
_CONVERSE: Final = frozenset({*_CONVERSE_BLOCKS, *_CONVERSE_MEDIA})


def is_converse(part: object) -> bool:
    """Whether a part of a content is a block of Bedrock's Converse that is more than a text."""
    return type(part) is dict and len(part) == 1 and any(type(name) is str and name in _CONVERSE for name in part)
