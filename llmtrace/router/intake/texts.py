"""Text as any database can hold it: bounded, without what no column takes, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from llmtrace.secrets import redact

LONGEST_LABEL: Final = 1_024
LONGEST_ANNOTATION: Final = 4_096
MOST_UNKNOWN: Final = 32
"""Fields that the schema does not know are kept as annotations, so many of them."""
LONGEST_UNKNOWN: Final = 256

# What such a field holds is what somebody said to a model, or what the model said.
_CONTENT: Final = frozenset(
    {
        "input", "inputs", "output", "outputs", "prompt", "prompts", "completion", "messages", "message", "content",
        "document", "documents", "text", "query", "question", "answer", "response", "request", "body", "arguments",
        "embedding", "vector", "examples", "rows", "samples",
    }
)  # fmt: skip
_SECRET: Final = ("token", "secret", "password", "authorization", "api_key", "apikey", "cookie", "credential")

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]", re.ASCII)
_LEAP_SECOND: Final = re.compile(r"^(.{10}[Tt ][0-9]{2}:[0-9]{2}:)60")
_CANNOT_BE_STORED: Final = re.compile(r"[\x00\ud800-\udfff]")


def texts(pairs: Iterable[tuple[str, object]], longest: int) -> dict[str, str]:
    """Bounded text; what is empty is left out."""
    found = ((str(name), "" if value is None else _text(value)[:longest]) for name, value in pairs)
    return {_storable(name): _storable(text) for name, text in found if text}


def clean(pairs: Iterable[tuple[str, object]], longest: int) -> dict[str, str]:
    """The same, with secrets replaced by marks: for what a sender wrote in his own words."""
    return {name: redact(text)[:longest] for name, text in texts(pairs, longest).items()}


def label_name(text: str) -> str:
    """A name that a label may have."""
    name = _NOT_IN_NAMES.sub("_", text)
    return f"_{name}" if name[:1].isdigit() else name


def leap(value: Any) -> Any:
    """A moment in a leap second, which RFC 3339 has and Python has not, as the last one before it."""
    return _LEAP_SECOND.sub(r"\g<1>59", value) if isinstance(value, str) else value


def unknown_fields(extra: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """Scalars at the top that are neither content nor secret by their name."""
    kept = 0
    for name, value in extra.items():
        word = name.lower()
        hidden = word in _CONTENT or any(part in word for part in _SECRET)
        if not hidden and isinstance(value, str | int | float | bool) and kept < MOST_UNKNOWN:
            kept += 1
            yield name[:LONGEST_UNKNOWN], str(value)[:LONGEST_UNKNOWN]


def _storable(text: str) -> str:
    return _CANNOT_BE_STORED.sub("\ufffd", text)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
