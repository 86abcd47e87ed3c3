"""Texts in which redaction found nothing by its defaults: what comes again, as a system prompt does, is read once.

Bounded in characters. Only texts without a secret stand here, none that had one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

MOST: Final = 1_000_000
"""Characters of either generation."""
_LONGEST: Final = 65_536
_ENTRY: Final = 100
"""What a text weighs beside its characters."""


class CleanTexts:
    """Two generations: where the young one is full it becomes the old one, and what is asked for is young again.

    Attributes:
        young: the texts that were seen last; who looks at many asks it without a call.
    """

    def __init__(self, most: int = MOST) -> None:
        """Remember nothing yet."""
        self._most = most
        self._old: set[str] = set()
        self._weight = 0
        self.young: set[str] = set()

    def __contains__(self, text: str) -> bool:
        return text in self.young or text in self._old

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Those that are not known as clean; the others are young again."""
        found = []
        for text in texts:
            if text in self._old:
                self._put(text)
            elif text not in self.young:
                found.append(text)
        return found

    def add(self, texts: Iterable[str]) -> None:
        """Remember texts without a secret."""
        for text in texts:
            if len(text) <= _LONGEST:
                self._put(text)

    def _put(self, text: str) -> None:
        if text not in self.young:
            self.young.add(text)
            self._weight += _ENTRY + len(text)
            if self._weight > self._most:
                self._old, self.young, self._weight = self.young, set(), 0
