"""Severity as others spell it: their words and ours."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from llmtrace.semconv.alert import Severity

_WORDS: Final[Mapping[str, Severity]] = MappingProxyType(
    {
        **{severity.value: severity for severity in Severity},
        **dict.fromkeys(("page", "fatal", "emergency", "disaster", "p1", "sev1", "crit"), Severity.CRITICAL),
        **dict.fromkeys(("high", "major", "alert", "err", "p2", "sev2"), Severity.ERROR),
        **dict.fromkeys(("warn", "medium", "moderate", "minor", "average", "p3", "sev3"), Severity.WARNING),
        **dict.fromkeys(("low", "none", "notice", "information", "debug", "ok", "p4", "p5"), Severity.INFO),
    }
)


def severity_of(word: object, otherwise: Severity = Severity.WARNING) -> Severity:
    """What a sender's word means; ``otherwise`` where it means nothing here."""
    return _WORDS.get(str(word).strip().lower(), otherwise)
