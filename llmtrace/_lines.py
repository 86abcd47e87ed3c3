"""A text as one line, for logs and terminals: what would break the line or rewrite the screen is shown as an escape."""

from __future__ import annotations

import re
from typing import Final

_UNSAFE: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but the tab, what reorders text, and halves of characters."""


def one_line(text: str) -> str:
    """A text whose line breaks, control and direction characters are shown as escapes."""
    return _UNSAFE.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
