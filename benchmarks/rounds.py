"""Peer against baseline as two processes that alternate round by round; the ratio is the median over the rounds."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

WORKER = Path(__file__).with_name("worker.py")
ROUNDS = 7

Side = tuple[Path, str, str]
"""Python, peer, case."""


class Worker:
    """A process that does one peer's case, a round at a time."""

    def __init__(self, side: Side, how: str = "cost", units: int | None = None) -> None:
        python, peer, case = side
        self._process = subprocess.Popen(
            [str(python), "-P", str(WORKER), peer, case, how, *(() if units is None else (str(units),))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def round(self) -> float:
        """Microseconds of one unit of work."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the worker has no pipes")
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def __enter__(self) -> Self:
        if self._process.stdout is None or self._process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"the worker did not start: {self._process.args}")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._process.kill()
        self._process.communicate()


@dataclass(frozen=True, slots=True)
class Figure:
    """What one comparison came to: microseconds of a unit, and their ratio."""

    cost: float
    baseline: float
    ratio: float


def compare(peer: Side, baseline: Side, how: str = "cost", rounds: int = ROUNDS, units: int | None = None) -> Figure:
    """Measure one side against the other; `how` and `units` as in the worker."""
    with Worker(peer, how, units) as ours, Worker(baseline, how, units) as base:
        pairs = [(ours.round(), base.round()) for _ in range(rounds)]
    return Figure(
        median(cost for cost, _ in pairs),
        median(cost for _, cost in pairs),
        median(cost / against for cost, against in pairs),
    )
