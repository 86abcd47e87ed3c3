"""The thread of a delivery that puts on disk what has to wait, and looks at what other processes have left there."""

from __future__ import annotations

import time
from typing import Final

from llmtrace._guard import guarded
from llmtrace.exporters.circuit import Circuit
from llmtrace.exporters.delivery.ending import Ending
from llmtrace.exporters.delivery.stock import Stock
from llmtrace.exporters.spool import LOOK_EVERY, DiskSpool
from llmtrace.exporters.tally import Tally

SPOOL_AFTER: Final = 0.06
"""Seconds after which a span that is neither sent nor answered is written to disk."""
TICK: Final = 0.03
"""Seconds between two looks for such spans, while there are any in memory."""


class Keeping:
    """What that thread does."""

    def __init__(self, spool: DiskSpool, stock: Stock, circuit: Circuit, ending: Ending, tally: Tally) -> None:
        self._spool = spool
        self._stock = stock
        self._circuit = circuit
        self._ending = ending
        self._tally = tally
        self.looks_first = spool.is_left()
        """Whether an earlier process left something that nobody has looked at."""
        self.looks = 0
        """How often it has looked: whoever has seen another number may not know all that is there."""

    def run(self) -> None:
        """Until the end."""
        changed = self._stock.changed
        while not self._ending.is_over:
            with guarded("writing to the spool"):
                self._spool.look()
                moves = not self._circuit.is_open or self._stock.queue.is_nearly_full
                self._stock.spill(self._spool, time.monotonic() - SPOOL_AFTER, moves=moves)
            with changed:
                self.looks += 1
                if self.looks_first or self._stock.on_disk:
                    self.looks_first = False
                    changed.notify_all()
                if self._stock.is_idle:
                    changed.wait(LOOK_EVERY)
                else:
                    changed.wait_for(lambda: self._ending.is_over, TICK)
            self._tally.sum_up(self._trouble())

    def _trouble(self) -> str:
        """What the line a minute says; empty while all is well."""
        trouble = self._circuit.trouble
        if trouble is None:
            return ""
        away = time.monotonic() - self._circuit.away_since
        said = f"has not taken spans for {away:.0f} s ({trouble.said}); {self._stock.waiting} wait"
        oldest = self._spool.oldest
        return said if oldest is None else f"{said}, the oldest on disk for {oldest:.0f} s"
