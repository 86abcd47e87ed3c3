"""Durations as Prometheus writes them: ``30s``, ``5m``, ``1d12h``."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

ALLOWED: Final = "a duration of at most 10y such as 0s, 30s, 5m, 4h, 1d12h"

_UNITS: Final = ("y", "w", "d", "h", "m", "s", "ms")
_SECONDS: Final = (365 * 86_400, 7 * 86_400, 86_400, 3_600, 60, 1, 0.001)
_LONGEST: Final = 10 * _SECONDS[0]
_SYNTAX: Final = re.compile("".join(f"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))


def parse(text: str) -> timedelta:
    """Read a duration.

    Raises:
        ValueError: where ``text`` is none; a bare ``0`` is one.
    """
    if text == "0":
        return timedelta(0)
    found = _SYNTAX.fullmatch(text)
    if found is None or not text:
        raise ValueError(f"not {ALLOWED}")
    amounts = [int(amount or 0) for amount in found.groups()]
    seconds = sum(amount * unit for amount, unit in zip(amounts, _SECONDS, strict=True))
    if seconds > _LONGEST:
        raise ValueError(f"not {ALLOWED}")
    return timedelta(seconds=seconds)


def text(duration: timedelta) -> str:
    """As ``parse`` reads it: the largest units first, ``0s`` for nothing."""
    rest = round(duration / timedelta(milliseconds=1))
    words = ""
    for unit, seconds in zip(_UNITS, _SECONDS, strict=True):
        amount, rest = divmod(rest, round(seconds * 1000))
        words += f"{amount}{unit}" if amount else ""
    return words or "0s"
