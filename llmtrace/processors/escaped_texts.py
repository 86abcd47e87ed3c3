"""Texts as JSON writes them: what comes again, as a system prompt and the messages before the last do, is escaped once.

Bounded in characters: where there are too many, it begins anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from llmtrace._values.plain import escaped

_MOST: Final = 1_000_000
"""Characters of all texts that are remembered."""
_LONGEST: Final = 65_536
_ENTRY: Final = 100
"""What a text weighs beside its characters."""


class EscapedTexts:
    """Texts, and what stands for each of them between the quotes of a JSON string."""

    def __init__(self, most: int = _MOST) -> None:
        """Remember nothing yet."""
        self._most = most
        self._weight = 0
        self._known: dict[str, str] = {}

    def of(self, texts: Sequence[str]) -> list[str]:
        """Each of these texts, escaped."""
        try:
            return list(map(self._known.__getitem__, texts))
        except KeyError:
            return self._made(texts)

    def _made(self, texts: Sequence[str]) -> list[str]:
        found = list(map(self._known.get, texts))
        missing = [text for text, known in zip(texts, found, strict=True) if known is None]
        made = dict(zip(missing, escaped(missing), strict=True))
        for text, written in made.items():
            self._remember(text, written)
        return [made[text] if known is None else known for text, known in zip(texts, found, strict=True)]

    def _remember(self, text: str, written: str) -> None:
        if len(text) > _LONGEST:
            return
        self._weight += _ENTRY + len(text) + (0 if written is text else len(written))
        if self._weight > self._most:
            self._known.clear()
            self._weight = _ENTRY + len(text) + len(written)
        self._known[text] = written
