"""Gets a batch of spans across to one backend: splits what is too large, finds the span that is refused, counts.

What it cannot send now it hands back; waiting, and asking again, is for `delivery`.
"""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass, field
from typing import Final

from llmtrace._connection import Connection
from llmtrace._stats import Loss
from llmtrace.exporters.answers import Answer, Outcome, of_error, of_response
from llmtrace.exporters.destination import Destination
from llmtrace.exporters.encoded import EncodedSpan, request
from llmtrace.exporters.shrinking import SMALLEST, shrunk, tombstone
from llmtrace.exporters.spool.parcel import Parcel, Shape, size_of
from llmtrace.exporters.tally import Tally

MOST_BYTES: Final = 3_500_000
"""Bytes of spans in one request, before compression: many servers take 4 MB."""
_FEWEST_BYTES: Final = 64 * 1024
_MOST_REQUESTS: Final = 400
"""For one batch, while it is split: then what is left of it counts as refused."""
_UNSUPPORTED: Final = 415
_LARGEST_KEPT: Final = 16 * 1024
"""Bytes of a span that is kept to ask whether the backend takes anything."""
_PAYS_FROM: Final = 1_400
"""Bytes from which compression is worth its time: what does not fit into one packet."""


@dataclass(slots=True)
class Report:
    """What became of a batch."""

    done: list[Parcel] = field(default_factory=list)
    """Delivered, or refused for good and counted."""
    left: list[Parcel] = field(default_factory=list)
    """To be sent again."""
    aside: list[Parcel] = field(default_factory=list)
    """At these the backend fails, and takes others: to be sent again, after a while, and behind all others."""
    trouble: Answer | None = None
    """Why nothing more was tried."""

    def finish(self, parcels: list[Parcel]) -> None:
        """These need nothing any more; said on them at once, as the process may end before the batch is through."""
        for parcel in parcels:
            parcel.is_done = True
        self.done += parcels


class Sender:
    """Sends batches over one connection, on one thread."""

    def __init__(self, destination: Destination, client: Connection, tally: Tally) -> None:
        self._destination = destination
        self._client = client
        self._tally = tally
        self._compresses = destination.compresses
        self._known_good: list[EncodedSpan] = []
        self.most_bytes = MOST_BYTES
        """Bytes of spans in one request: fewer where the backend said 413."""

    def send(self, batch: list[Parcel], patience: float) -> Report:
        """Send a batch; each request may take `patience` seconds."""
        report = Report()
        usual = self.most_bytes
        parts = [batch]
        suspects: list[Parcel] = []
        for _ in range(_MOST_REQUESTS):
            if not parts or report.trouble is not None:
                break
            part = parts.pop()
            answer = self._post([parcel.span for parcel in part], patience)
            if answer.outcome is Outcome.TAKEN:
                self._count_taken(part, answer.rejected)
                report.finish(part)
            elif answer.outcome is Outcome.TOO_LARGE and (len(part) > 1 or self._takes_small_ones(patience)):
                parts += self._smaller(part, report)
            elif answer.outcome is Outcome.BROKEN and self._known_good and self._is_sound(patience):
                if len(part) > 1:
                    parts += _halves(part)
                else:
                    report.aside += part
            elif answer.outcome is Outcome.BAD and len(part) > 1:
                parts += _halves(part)
            elif answer.outcome is Outcome.BAD and (report.done or suspects or self._is_sound(patience)):
                suspects += part
            else:
                report.trouble = answer
                report.left += part
                self.most_bytes = usual  # a backend that takes nothing has said nothing of sizes
        report.left += [parcel for part in reversed(parts) for parcel in part]
        self._judge(suspects, report, patience)
        self._conclude(report)
        return report

    def _conclude(self, report: Report) -> None:
        if report.trouble is not None and report.trouble.wait is None:
            self._client.close()  # the host's name may stand for another server by the next time
        if report.aside:
            said = (
                f"fails at {len(report.aside)} spans (HTTP 500) and takes others; it is asked again from time to time"
            )
            self._tally.say("aside", said)

    def _judge(self, suspects: list[Parcel], report: Report, patience: float) -> None:
        """Spans that were refused one by one are at fault only where the backend takes others at the same time."""
        if suspects and report.trouble is None and self._is_sound(patience):
            self._give_up(suspects, report, "HTTP 400")
        elif suspects:
            report.left += suspects
            report.trouble = report.trouble or Answer(Outcome.BAD, "HTTP 400 to every span")

    def _is_sound(self, patience: float) -> bool:
        """Whether the backend takes a span that it took before; where there is none yet, a request without spans."""
        return self._post(self._known_good, patience).outcome is Outcome.TAKEN

    def _takes_small_ones(self, patience: float) -> bool:
        """Whether it is the size: a backend that finds a request without spans too large finds everything so."""
        return self._post([], patience).outcome in (Outcome.TAKEN, Outcome.BAD)

    def _give_up(self, refused: list[Parcel], report: Report, said: str) -> None:
        report.finish(refused)
        self._tally.lose(Loss.REJECTED, len(refused))
        self._tally.say("refused", f"refuses spans for good ({said}): {len(refused)} lost", logging.ERROR)

    def _count_taken(self, part: list[Parcel], rejected: int) -> None:
        rejected = min(len(part), rejected)
        self._tally.add("delivered", len(part) - rejected)
        if rejected:
            self._tally.lose(Loss.REJECTED, rejected)
            self._tally.say("rejected", f"rejected {rejected} spans of a batch (partial_success)")
        elif part[0].span.size < _LARGEST_KEPT:
            self._known_good = [part[0].span]

    def _smaller(self, part: list[Parcel], report: Report) -> list[list[Parcel]]:
        """After a 413: halves; of a single span a smaller copy, at last a tombstone."""
        size = size_of(part)
        if len(part) > 1:
            self.most_bytes = max(_FEWEST_BYTES, min(self.most_bytes, size) // 2)
            return _halves(part)
        (parcel,) = part
        if parcel.shape is Shape.TOMBSTONE:
            self._give_up(part, report, "HTTP 413 to its tombstone")
            return []
        self._tally.say("large", f"takes no span of {size} bytes (HTTP 413); such spans are cut until it takes them")
        data = shrunk(parcel.span.data, size // 2) if size > SMALLEST else parcel.span.data
        if len(data) < size:
            self._tally.add("cut", int(parcel.shape is Shape.WHOLE))
            parcel.shape = Shape.CUT
        else:
            data = tombstone(parcel.span.data, "too large")
            self._tally.add("tombstones")
            parcel.shape = Shape.TOMBSTONE
        parcel.span = parcel.span._replace(data=data)
        return [part]

    def _post(self, spans: list[EncodedSpan], patience: float) -> Answer:
        body, headers = self._compressed(request(spans))
        try:
            # The head says whether the spans were taken; who sent them again for a body that broke off would never end.
            reply = self._client.request(
                "POST", self._destination.url, body, headers, timeout=patience, needs_body=False
            )
        except Exception as error:  # noqa: BLE001 - whatever the network or a proxy does, the spans wait
            return of_error(error)
        if headers and reply.status == _UNSUPPORTED:
            self._compresses = False
            return self._post(spans, patience)
        return of_response(reply.status, reply.headers, reply.body)

    def _compressed(self, body: bytes) -> tuple[bytes, dict[str, str]]:
        if not self._compresses or (len(body) < _PAYS_FROM and self._destination.compression is None):
            return body, {}
        return gzip.compress(body, compresslevel=1), {"content-encoding": "gzip"}


def _halves(part: list[Parcel]) -> list[list[Parcel]]:
    """Two parts, the first of them last: it is taken from the end."""
    middle = len(part) // 2
    return [part[middle:], part[:middle]]
