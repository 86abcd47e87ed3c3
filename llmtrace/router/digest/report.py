"""What a digest says: figures of a period beside those of the one before, in the order of what matters. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

from llmtrace.router.config.settings import Digest
from llmtrace.router.model import Tier
from llmtrace.router.store.period import Figures, Held, Rule

MOST_RULES: Final = 20
MOST_HELD: Final = 20
NOISIEST: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """A figure, and the same of the period before."""

    name: str
    number: int
    before: int
    severity: str = ""
    why: str = ""
    """Why nobody was told, and what held it."""
    is_cut: bool = False
    """Whether not all was counted, so that the numbers cannot be compared."""

    @property
    def trend(self) -> str:
        """How it changed, as a reader says it."""
        if self.is_cut:
            return "not compared"
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
    more_suppressed: int
    """Alerts that were held by others, or are of further names."""
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
    def about(self) -> str:
        """Whose alerts are counted."""
        return str(self.digest.scope)

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
    is_cut = now.is_cut or before.is_cut
    bundled = [_line(*each, is_cut=is_cut) for each in _beside(now.bundled, before.bundled)]
    suppressed = [_line(*each, is_cut=is_cut) for each in _beside(now.suppressed, before.suppressed)]
    rules = [_line(*each, is_cut=is_cut) for each in _beside(now.rules, before.rules)]
    tiers = [(tier.value, now.tiers.get(tier, 0), before.tiers.get(tier, 0)) for tier in Tier]
    return Report(
        digest=digest,
        since=since,
        until=until,
        bundled=bundled[:MOST_RULES],
        more=sum(line.number for line in bundled[MOST_RULES:]),
        tiers=[Line(*each, is_cut=is_cut) for each in tiers],
        suppressed=suppressed[:MOST_HELD],
        more_suppressed=sum(line.number for line in suppressed[MOST_HELD:]),
        noisiest=rules[:NOISIEST],
        cost=now.cost,
        cost_before=before.cost,
        is_cut=is_cut,
    )


_Counted = TypeVar("_Counted", Rule, Held)


def _beside(now: Mapping[_Counted, int], before: Mapping[_Counted, int]) -> list[tuple[_Counted, int, int]]:
    """Each with its numbers, the most frequent first."""
    ordered = sorted(now.items(), key=lambda pair: (-pair[1], astuple(pair[0])))
    return [(what, number, before.get(what, 0)) for what, number in ordered]


def _line(what: Rule | Held, number: int, before: int, *, is_cut: bool) -> Line:
    if isinstance(what, Rule):
        return Line(what.name, number, before, what.severity, is_cut=is_cut)
    return Line(what.name, number, before, why=": ".join(filter(None, (what.why, what.by))), is_cut=is_cut)
