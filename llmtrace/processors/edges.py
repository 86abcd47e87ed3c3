"""The edges of a text that was cut before redaction saw it: the last word may be half a secret that no rule knows."""

from __future__ import annotations

import re
from typing import Final

from llmtrace.secrets import MARK

CUT: Final = "…[truncated, "
"""How `llmtrace._values.serialize.MARK_TRUNCATED` begins."""
_EDGE: Final = 4096
_EDGE_BACKWARDS: Final = re.compile(r"[!#-&(-\[\]-~]{0,4096}(?: +[0-9-]+(?=[ \"'(]|\Z))*")
"""The last word, and the groups of digits before it: read from the end."""


def without_edges(text: str) -> str:
    """The text without the last word before each cut; the very same where it was not cut."""
    *cut, rest = text.split(CUT)
    return CUT.join([*map(_without_last_word, cut), rest]) if cut else text


def _without_last_word(text: str) -> str:
    last = text[-_EDGE:][::-1]
    word = _EDGE_BACKWARDS.match(last)
    if word is None or not word[0] or (last[0] == "]" and MARK.search(text[-_EDGE:][-80:])):
        return text
    kept = text[: len(text) - word.end()]
    # The letter of an escape stays with its backslash.
    return kept + text[len(kept)] if kept.endswith("\\") else kept
