"""Severity and state as others spell them: their words and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from llmtrace.router.model import Status
from llmtrace.semconv.alert import Severity

AS_SENT: Final = "severity_as_sent"
"""The annotation that keeps a sender's word where it is none of ours."""

_WORDS: Final[Mapping[str, Severity]] = MappingProxyType(
    {
        **{severity.value: severity for severity in Severity},
        **dict.fromkeys(
            ("page", "fatal", "emergency", "emerg", "disaster", "crit", "blocker", "urgent", "highest"),
            Severity.CRITICAL,
        ),
        **dict.fromkeys(("high", "major", "alert", "err"), Severity.ERROR),
        **dict.fromkeys(("warn", "medium", "moderate", "minor", "average"), Severity.WARNING),
        **dict.fromkeys(
            ("low", "lowest", "none", "notice", "information", "informational", "debug", "trace", "verbose", "trivial"),
            Severity.INFO,
        ),
        **dict.fromkeys(("ok", "success", "planning"), Severity.INFO),
    }
)
_LEVELS: Final = (
    Severity.CRITICAL, Severity.CRITICAL, Severity.ERROR, Severity.WARNING, Severity.INFO, Severity.INFO
)  # fmt: skip
"""P0 to P5, SEV-0 to SEV-5."""
_LEVEL: Final = re.compile(r"(?:p|s|sev|severity|prio|priority)[ _.:#-]*([0-5])")
_NUMBERED: Final = re.compile(r"(?:[a-z]{0,8}[ _.:#-]*)?[0-9] *[-:(/]+ *(?P<word>[a-z]+)\)?")
"""``1 - Critical``, ``P2 (High)``: the word says it, whichever way the numbers count."""

_OVER: Final = frozenset(
    {
        "resolved", "resolve", "ok", "closed", "close", "cleared", "clear", "recovered", "recovery", "healthy",
        "normal", "inactive", "deactivated", "fixed", "ended", "up",
    }
)  # fmt: skip


def severity_of(word: object, otherwise: Severity = Severity.WARNING) -> Severity:
    """What a sender's word means; ``otherwise`` where it means nothing here, as bare numbers do.

    In some tools 1 is the worst and in others the least: only a mapping can say so.
    """
    if word is None:
        return otherwise
    text = str(word).strip().lower()
    return _WORDS.get(text) or _read(text) or otherwise


def as_sent(word: object) -> str | None:
    """A sender's word for the severity, where it is none of ours."""
    return str(word) if word not in (None, "") and str(word) != severity_of(word).value else None


def state_of(word: object) -> Status:
    """What a sender's word for the state means: a word that nobody knows is no reason to lose an alert."""
    return Status.RESOLVED if str(word).strip().lower() in _OVER else Status.FIRING


def _read(text: str) -> Severity | None:
    if level := _LEVEL.fullmatch(text):
        return _LEVELS[int(level[1])]
    numbered = _NUMBERED.fullmatch(text)
    return _WORDS.get(numbered["word"]) if numbered else None
