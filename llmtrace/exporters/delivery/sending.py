"""The thread of a delivery that sends: one batch after the other, over one connection, and what each answer means."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION,
)
from opentelemetry.context import (
    attach,
    set_value,
)

from llmtrace._connection import Connection
from llmtrace._forks import importing
from llmtrace._guard import guarded, logger
from llmtrace.exporters.answers import Answer, Outcome
from llmtrace.exporters.circuit import Circuit
from llmtrace.exporters.delivery.ending import Ending
from llmtrace.exporters.delivery.keeping import Keeping
from llmtrace.exporters.delivery.stock import Stock
from llmtrace.exporters.delivery.turns import BATCH, Turns
from llmtrace.exporters.destination import Destination
from llmtrace.exporters.sender import Report, Sender
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.tally import Tally

GATHER: Final = 0.02
"""Seconds that spans may gather before a request that is not full leaves."""


class Sending:
    """What that thread does."""

    def __init__(
        self,
        destination: Destination,
        client: Callable[[], Connection],
        stock: Stock,
        keeping: Keeping | None,
        circuit: Circuit,
        ending: Ending,
        tally: Tally,
    ) -> None:
        self._destination = destination
        self._make_client = client
        self._stock = stock
        self._keeping = keeping
        self._circuit = circuit
        self._ending = ending
        self._tally = tally
        self._turns = Turns()

    def run(self) -> None:
        """Until the end."""
        # Our own requests must not become spans of the app's HTTP instrumentation, which would be sent by requests ...
        attach(set_value(SUPPRESS_INSTRUMENTATION, True))
        with importing:
            made = self._make_client()
        with made as client:
            sender = Sender(self._destination, client, self._tally)
            while not self._ending.is_over:
                with guarded("sending spans"):
                    self._send_next(sender)

    def _send_next(self, sender: Sender) -> None:
        batch = self._next(sender)
        if batch is None:
            return
        began = time.monotonic()
        try:
            report = sender.send(batch, self._circuit.patience)
        except BaseException as error:
            left = [parcel for parcel in batch if not parcel.is_done]
            failed = Answer(Outcome.LATER, type(error).__name__)  # a pause, as for the backend's troubles
            self._settle(Report(left=left, trouble=failed), time.monotonic() - began)
            if not isinstance(error, MemoryError | OSError):
                raise
            return
        self._settle(report, time.monotonic() - began)

    def _next(self, sender: Sender) -> list[Parcel] | None:
        """Wait for work; None says that the delivery is closed."""
        stock, changed = self._stock, self._stock.changed
        while True:
            looks, on_disk = self._looks, self._stock.replayable
            with changed:
                if self._ending.is_over:
                    return None
                if looks != self._looks:
                    continue  # more may be on disk than we know, and whoever put it there has told us already
                now = time.monotonic()
                pause = self._circuit.wait(now, hurries=self._ending.hurries)
                to_replay = self._turns.until_replay(now, hurries=self._ending.hurries)
                replays = bool(on_disk) and not to_replay
                if pause or not (stock.queue or replays):
                    changed.wait(pause or (to_replay if on_disk else None))
                    continue
                if not (replays and (not stock.queue or self._turns.prefers_disk(is_away=not self._circuit.is_open))):
                    return self._take(sender)
                stock.announce()
            if batch := self._replay(sender):
                return batch

    @property
    def _looks(self) -> int:
        return self._keeping.looks if self._keeping is not None else 0

    def _take(self, sender: Sender) -> list[Parcel]:
        """The next of the queue, which may gather for a moment, so that a request becomes fuller."""
        queue, ending = self._stock.queue, self._ending
        left = (queue.oldest or 0.0) + GATHER - time.monotonic()
        if left > 0 and not ending.hurries:
            self._stock.changed.wait_for(lambda: len(queue) >= BATCH or ending.hurries or ending.is_over, left)
        self._turns.took()
        return self._stock.take(BATCH, sender.most_bytes)

    def _replay(self, sender: Sender) -> list[Parcel]:
        most = self._turns.most(is_away=not self._circuit.is_open, broke=self._circuit.broke)
        batch = self._stock.load(most, sender.most_bytes)
        self._turns.replayed(len(batch), time.monotonic())
        return batch

    def _settle(self, report: Report, took: float) -> None:
        """What the answer means for the spans, and for when to send again."""
        if report.aside and self._stock.spool is None:
            report.left += report.aside
            report.trouble = report.trouble or Answer(Outcome.BROKEN, "HTTP 500")
        self._say_how_it_goes(report, took)
        self._stock.land(report)
        with self._stock.changed:
            self._stock.landed()
            self._ending.attempted(failed=report.trouble is not None)
            self._stock.changed.notify_all()

    def _say_how_it_goes(self, report: Report, took: float) -> None:
        was_open, since = self._circuit.is_open, self._circuit.away_since
        if report.trouble is None:
            self._circuit.succeeded(took)
            if not was_open:
                away = time.monotonic() - since
                logger.info("llmtrace: %s takes spans again, after %.0f s", self._destination.shown, away)
            return
        self._circuit.failed(report.trouble, time.monotonic())
        if was_open:
            where = "on disk" if self._stock.spool is not None else "in memory"
            hint = "; check address and key" if report.trouble.outcome is Outcome.CLOSED else ""
            what = f"does not take spans ({report.trouble.said}{hint}); they wait {where}, your app is not affected"
            self._tally.say("away", what)
