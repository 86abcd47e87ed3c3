"""Whether a word looks like a secret value rather than like a word: for names that are often innocent, as ``token``."""

from __future__ import annotations

import re
from typing import Final

_SHORTEST: Final = 8
_LONG: Final = 24
_WORD: Final = re.compile(r"[^\W\d_]*\Z")
_DIGIT: Final = re.compile(r"[0-9]")
_INNER_CAPITAL: Final = re.compile(r"[a-z0-9_.-][A-Z]")
_SYMBOL: Final = re.compile(r"[_.~+/=!@#$%^*:-]")
_SPACE: Final = re.compile(r"\s")
_SIGNS: Final = (_INNER_CAPITAL, _SYMBOL)


def looks_random(value: str) -> bool:
    """At least eight characters without a space, and a digit, or both capitals and symbols, or very long."""
    value = value.strip()
    if len(value) < _SHORTEST or _SPACE.search(value):
        return False
    if _DIGIT.search(value):
        return not value.isdecimal()
    if len(value) >= _LONG:
        return _WORD.match(value) is None or value.isascii()
    return _SYMBOL.search(value) is not None and not value.islower() and any(letter.isupper() for letter in value)
