"""What a tool gave back -> the content of its message: a text or JSON as it is; with media in it, part by part."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.converse import is_converse
from llmtrace._attributes.fields import Attributes, entries, fields, text
from llmtrace._attributes.message_keys import MessageKeys
from llmtrace._attributes.parts import put_parts
from llmtrace._values.serialize import to_text

_MEDIA: Final = frozenset(
    {
        "image",
        "image_url",
        "input_image",
        "computer_screenshot",
        "document",
        "file",
        "input_file",
        "search_result",
        "audio",
        "input_audio",
        "video",
        "media",
        "resource",
    }
)
"""Parts that no text can stand for."""


def put_result(into: Attributes, named: MessageKeys, content: object) -> None:
    """Flatten what a tool gave back: OpenAI's output, the content of Anthropic's block, or of Bedrock's."""
    if content is None:
        return
    parts = entries(content) or [content]
    if any(map(_is_medium, each(parts))):
        put_parts(into, named.contents, named.tools, [_part(part) for part in each(parts)])
    else:
        into[named.content] = to_text(content)


def _part(part: object) -> object:
    """A part; JSON that stands beside media, as Bedrock lets a tool give it, as its text."""
    is_part = is_converse(part) or text(part) is not None or text(fields(part).get("type")) is not None
    return part if is_part else to_text(part)


def _is_medium(part: object) -> bool:
    if issubclass(type(part), str | int | float) or part is None:
        return False
    return is_converse(part) or text(fields(part).get("type")) in _MEDIA
