"""What a digest says: figures of a period beside those of the one before, in the order of what matters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from llmtrace.router.config.settings import Digest
from llmtrace.router.model import Tier
from llmtrace.router.store.digests import Figures, Rule
from llmtrace.router.store.explain import WHY

MOST_RULES: Final = 20
NOISIEST: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A figure, and the same of the period before."""

    name: str
    number: int
    before: int
    severity: str = ""

    @property
    def trend(self) -> str:
        """How it changed, as a reader says it."""
        if self.before == 0:
            return "new" if self.number else "as before"
        change = round(100 * (self.number - self.before) / self.before)
        return f"{change:+d} %" if change else "as before"


@dataclass(frozen=True, slots=True)
class Report:
    """One digest, ready to be written down."""

    digest: Digest
    since: datetime
    until: datetime
    bundled: Sequence[Line]
    more: int
    """Alerts of further names."""
    tiers: Sequence[Line]
    suppressed: Sequence[Line]
    noisiest: Sequence[Line]
    cost: float
    cost_before: float
    is_cut: bool

    @property
    def total(self) -> int:
        """Alerts that the receiver is told of."""
        return sum(line.number for line in self.bundled) + self.more

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that the receiver is to be told."""
        return self.total == 0

    @property
    def title(self) -> str:
        """One line."""
        what = "nothing to tell" if self.is_empty else f"{self.total} alert{'' if self.total == 1 else 's'}"
        return f"[digest] {self.digest.receiver}: {what}, {self.period}"

    @property
    def period(self) -> str:
        """From when to when, in the place's own time."""
        zone = ZoneInfo(self.digest.timezone)
        first, last = (moment.astimezone(zone).strftime("%a %Y-%m-%d %H:%M") for moment in (self.since, self.until))
        return f"{first} to {last} ({self.digest.timezone})"


def report(digest: Digest, since: datetime, until: datetime, now: Figures, before: Figures) -> Report:
    """The figures of a period beside those of the one before."""
    bundled = _lines(now.bundled, before.bundled)
    return Report(
        digest,
        since,
        until,
        bundled[:MOST_RULES],
        sum(line.number for line in bundled[MOST_RULES:]),
        [Line(tier.value, now.tiers.get(tier, 0), before.tiers.get(tier, 0)) for tier in Tier],
        [
            Line(WHY[reason], number, before.suppressed.get(reason, 0))
            for reason, number in sorted(now.suppressed.items(), key=lambda pair: -pair[1])
        ],
        _lines(now.rules, before.rules)[:NOISIEST],
        now.cost,
        before.cost,
        now.is_cut or before.is_cut,
    )


def _lines(now: Mapping[Rule, int], before: Mapping[Rule, int]) -> list[Line]:
    """The most frequent first."""
    ordered = sorted(now.items(), key=lambda pair: (-pair[1], pair[0].name, pair[0].severity))
    return [Line(rule.name, number, before.get(rule, 0), rule.severity) for rule, number in ordered]
