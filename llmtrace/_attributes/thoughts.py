"""What a model thought before it spoke, where it stands beside a message's content -> its first parts.

A field of its own, or pieces with what the provider wants back unread: OpenRouter's details, LiteLLM's blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, Fields, either, entries, fields, text
from llmtrace._attributes.parts import put_words
from llmtrace.semconv import trace as keys

_FIELDS: Final = ("reasoning_content", "reasoning", "thinking")
"""Where DeepSeek, vLLM and OpenRouter, and Ollama put it."""
_DETAILS: Final = ("reasoning_details", "thinking_blocks")
_WORDS: Final = ("text", "summary", "thinking")
"""Where a detail has words; of an encrypted or redacted one only `data` is there, which nobody can read."""
_MOST_DETAILS: Final = 64


def put_thoughts(into: Attributes, contents: str, found: Fields) -> int:
    """Flatten what a message says of its thoughts; returns the place of the next part.

    Args:
        into: receives the attributes.
        contents: prefix of the message's contents.
        found: the message's fields.
    """
    words = text(either(found, *_FIELDS))
    details = [*map(fields, each(entries(either(found, *_DETAILS)), _MOST_DETAILS))]
    if words is None:
        place = 0
        for detail in details:
            place += _put_detail(into, f"{contents}{place}.", detail)
        return place
    put_words(into, f"{contents}0.", "reasoning", words)
    _put_signature(into, f"{contents}0.", details)
    place = 1
    for detail in details:  # their words are those above
        if _words(detail) is None:
            place += _put_detail(into, f"{contents}{place}.", detail)
    return place


def _words(detail: Fields) -> str | None:
    return text(either(detail, *_WORDS))


def _put_detail(into: Attributes, prefix: str, detail: Fields) -> bool:
    words, data = _words(detail), text(detail.get("data"))
    if words is None and data is None:
        return False
    put_words(into, prefix, "reasoning", words)
    if data is not None:
        into[prefix + keys.CONTENT_ENCRYPTED] = data
    _put_signature(into, prefix, [detail])
    return True


def _put_signature(into: Attributes, prefix: str, details: Sequence[Any]) -> None:
    signatures = [words for detail in details if (words := text(detail.get("signature"))) is not None]
    if len(signatures) == 1:
        into[prefix + keys.CONTENT_SIGNATURE] = signatures[0]
