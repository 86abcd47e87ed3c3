"""One line of a benchmark's table, and the table as Markdown: what every suite hands back, whatever it measures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """A figure beside its limit."""

    figure: str
    """What was measured, in words."""
    measured: float
    limit: float | None = None
    """None: shown, and held by nothing."""
    unit: str = ""
    """Empty for a ratio."""
    detail: str = ""
    """What the figure was computed from."""
    is_floor: bool = False
    """Whether the limit is the least that is allowed, not the most."""

    @property
    def is_over(self) -> bool:
        """Whether the figure is on the wrong side of its limit."""
        if self.limit is None:
            return False
        return self.measured < self.limit if self.is_floor else self.measured > self.limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"{'≥' if self.is_floor else '≤'} {self.limit:g}{_after(self.unit)}"
        mark = " **over**" if self.is_over else ""
        return f"| {self.figure} | {_shown(self.measured)}{_after(self.unit)}{mark} | {limit} | {self.detail} |"


def table(title: str, rows: Iterable[Row]) -> str:
    """The rows under their title, as Markdown."""
    return "\n".join([f"## {title}", "", "| figure | measured | limit | from |", "|---|---|---|---|", *map(str, rows)])


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.2f}"  # noqa: PLR2004 - three digits are enough


def _after(unit: str) -> str:
    return f" {unit}" if unit else ""
