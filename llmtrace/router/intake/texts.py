"""Text as any database can hold it: bounded, without what no column takes, and without secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from llmtrace.secrets import redact

LONGEST_LABEL: Final = 1_024
LONGEST_ANNOTATION: Final = 4_096

_NOT_IN_NAMES: Final = re.compile(r"[^a-zA-Z0-9_]", re.ASCII)
_CANNOT_BE_STORED: Final = re.compile(r"[\x00\ud800-\udfff]")


def texts(pairs: Iterable[tuple[str, object]], longest: int) -> dict[str, str]:
    """Bounded text; what is empty is left out."""
    found = ((str(name), "" if value is None else _text(value)[:longest]) for name, value in pairs)
    return {name: _CANNOT_BE_STORED.sub("\ufffd", text) for name, text in found if text}


def clean(pairs: Iterable[tuple[str, object]], longest: int) -> dict[str, str]:
    """The same, with secrets replaced by marks: for what a sender wrote in his own words."""
    return {name: redact(text)[:longest] for name, text in texts(pairs, longest).items()}


def label_name(text: str) -> str:
    """A name that a label may have."""
    name = _NOT_IN_NAMES.sub("_", text)
    return f"_{name}" if name[:1].isdigit() else name


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
