"""Regular expressions of rules: RE2's syntax, anchored at both ends, in linear time whatever a sender writes.

RE2 is what Alertmanager's own engine comes from. Python's `re` would read some patterns otherwise, and can take for
ever over a label that somebody chose for that.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

import re2

_LITERALS: Final = re.compile(r"[^\\.+*?()\[\]{}^$]*")
_REMEMBERED: Final = 128
"""Texts for each pattern; labels have few values, and there may be a thousand patterns."""
_LONGEST_REMEMBERED: Final = 256

Matches = Callable[[str], bool]


class PatternError(ValueError):
    """Text that is no pattern. The message says why."""


def literals(pattern: str) -> frozenset[str] | None:
    """All that the pattern matches, where it is nothing but words with ``|`` between them; else None."""
    return frozenset(pattern.split("|")) if _LITERALS.fullmatch(pattern) else None


@cache
def compiled(pattern: str) -> Matches:
    """Whether a whole text matches. Kept for good: patterns come from the rules.

    Raises:
        PatternError: where RE2 does not take it.
    """
    words = literals(pattern)
    if words is not None:
        return words.__contains__
    options = re2.Options()
    options.log_errors = False
    try:
        full = re2.compile(pattern, options).fullmatch
    except re2.error as error:
        raise PatternError(_reason(error)) from error
    except UnicodeEncodeError as error:
        raise PatternError("half a character") from error
    fresh: Matches = lambda text: full(text.encode("utf-8", "replace").decode()) is not None  # noqa: E731 - closes over the pattern
    remembered = lru_cache(_REMEMBERED)(fresh)
    return lambda text: remembered(text) if len(text) <= _LONGEST_REMEMBERED else fresh(text)


def _reason(error: Exception) -> str:
    text = error.args[0] if error.args else ""
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
