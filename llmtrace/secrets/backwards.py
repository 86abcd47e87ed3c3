"""What stands before a separator, found from the separator: of a text that is read from its end.

A regular expression leaps to a character that it must begin with. A name can begin with any letter, while what follows
it is one of a few characters: so the text is turned round, and the pattern with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable


def turned(words: Iterable[str], between: str = "") -> str:
    """A pattern of these words read from their ends, as a tree: each letter is looked at once, the shortest word wins.

    Args:
        words: plain text.
        between: a pattern of what may stand between two of their letters.
    """
    rest: dict[str, set[str]] = {}
    for word in words:
        if not word:
            return ""
        rest.setdefault(word[-1], set()).add(word[:-1])
    branches = []
    for letter in sorted(rest):
        further = turned(rest[letter], between)
        branches.append(re.escape(letter) + (between + further if further else ""))
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"
