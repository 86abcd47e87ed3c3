"""Delivery to one OTLP/HTTP backend: a bounded queue, a thread, retries.

A backend that is away costs the app nothing and the other backends nothing: one log line, and bounded memory.
"""

from __future__ import annotations

import gzip
import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import httpx
from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION,
)
from opentelemetry.context import (
    attach,
    set_value,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from llmtrace._forks import importing
from llmtrace._guard import logger
from llmtrace._record import SpanRecord
from llmtrace._stats import Loss, stats
from llmtrace.exporters.destination import THREAD_PREFIX, Destination
from llmtrace.exporters.otlp import encode

MOST_SPANS: Final = 512
"""Spans in one request."""
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
"""Seconds between two attempts: doubled from the first to the longest, with jitter."""
SAY_EVERY: Final = 60.0
"""Seconds between two log lines about the same backend."""

_RETRIED: Final = frozenset({401, 403, 408, 425, 429})
"""Client errors that can pass: a key that is being rotated, a rate limit. Every 5xx is retried too."""


class _Outcome(Enum):
    DELIVERED = "delivered"
    REFUSED_FOR_GOOD = "refused for good"
    TRY_AGAIN = "try again"
    NOBODY_THERE = "nobody there"


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one request ended, and what to say of it."""

    outcome: _Outcome
    said: str = ""
    wait: float | None = None
    """Seconds that the server asked us to wait."""
    rejected: int = 0
    """Spans that a successful answer says were not taken."""


class Delivery:
    """Sends records to one destination: each batch until it is taken, refused for good, or time is up."""

    def __init__(
        self,
        destination: Destination,
        *,
        capacity: int = 32_768,
        client: Callable[[], httpx.Client] | None = None,
    ) -> None:
        """Make a delivery; its thread starts with the first record.

        Args:
            destination: where to.
            capacity: how many spans may wait; beyond it the oldest are lost and counted.
            client: makes the HTTP client, in the delivery's thread; for tests.
        """
        self._destination = destination
        self._capacity = capacity
        self._make_client = client or destination.client
        self._said_at: dict[str, float] = {}
        self._away = False
        self._closed_at: float | None = None
        self._renew()

    def _renew(self) -> None:
        self._waiting: deque[SpanRecord] = deque()
        self._in_flight = 0
        self._abandoned = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._hurry = False
        self._thread: threading.Thread | None = None

    def offer(self, record: SpanRecord) -> None:
        """Take a record; where the queue is full the oldest one is lost."""
        with self._changed:
            if self._is_closed:
                stats.lose(Loss.SHUTDOWN)
                return
            if len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                stats.lose(Loss.QUEUE_FULL)
            self._waiting.append(record)
            if self._thread is None:
                # A daemon: a process that ends without shutdown must not hang on telemetry.
                self._thread = threading.Thread(
                    target=self._run, name=f"{THREAD_PREFIX}{self._destination.name}", daemon=True
                )
                self._thread.start()
            self._changed.notify_all()

    def flush(self, deadline: float) -> bool:
        """Wait until nothing is left to send; False where time.monotonic() passed `deadline` first."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            return self._changed.wait_for(self._is_done, max(0.0, deadline - time.monotonic()))

    def close(self, deadline: float) -> bool:
        """Send what is left until `deadline`; what then remains is lost and counted."""
        with self._changed:
            if self._is_closed:
                return not self._abandoned
            self._closed_at = deadline
        self.flush(deadline)
        with self._changed:
            self._is_closed = True
            self._abandoned += len(self._waiting) + self._in_flight
            self._waiting.clear()
            self._changed.notify_all()
        if self._abandoned:
            stats.lose(Loss.SHUTDOWN, self._abandoned)
            logger.warning("llmtrace: %d spans for %s were not delivered", self._abandoned, self._destination.shown)
        return not self._abandoned

    def after_fork_in_child(self) -> None:
        """Queue, thread and connection belong to the parent; the child makes its own."""
        self._renew()

    def _is_done(self) -> bool:
        return not self._waiting and not self._in_flight

    def _run(self) -> None:
        # Our own requests must not become spans of the app's HTTP instrumentation, which would be sent by requests ...
        attach(set_value(SUPPRESS_INSTRUMENTATION, True))
        with importing:
            made = self._make_client()
        with made as client:
            while batch := self._next_batch():
                self._deliver(client, batch)
                with self._changed:
                    self._in_flight = 0
                    self._changed.notify_all()

    def _next_batch(self) -> list[SpanRecord]:
        """Wait for work; an empty list says that the delivery is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed_at is not None)
            batch = [self._waiting.popleft() for _ in range(min(MOST_SPANS, len(self._waiting)))]
            self._in_flight = len(batch)
            self._hurry = False
            return batch

    def _deliver(self, client: httpx.Client, batch: list[SpanRecord]) -> None:
        body, headers = self._body(batch)
        pause = FIRST_PAUSE
        while True:
            attempt = self._attempt(client, body, headers)
            if attempt.outcome is _Outcome.DELIVERED:
                self._count_delivered(len(batch), attempt.rejected)
                return
            if attempt.outcome is _Outcome.REFUSED_FOR_GOOD:
                stats.lose(Loss.REJECTED, len(batch))
                self._say("refused", f"refuses spans for good ({attempt.said}): {len(batch)} lost", logging.ERROR)
                return
            self._say_away(attempt.said)
            if not self._may_try_again(attempt, pause):
                with self._changed:
                    self._abandoned += len(batch)
                    self._in_flight = 0
                return
            pause = min(LONGEST_PAUSE, pause * 2)

    def _body(self, batch: list[SpanRecord]) -> tuple[bytes, dict[str, str]]:
        body = encode(batch)
        if self._destination.compression == "gzip":
            return gzip.compress(body, compresslevel=1), {"content-encoding": "gzip"}
        return body, {}

    def _attempt(self, client: httpx.Client, body: bytes, headers: dict[str, str]) -> _Attempt:
        try:
            answer = client.post(self._destination.url, content=body, headers=headers)
        except httpx.ConnectError as error:
            return _Attempt(_Outcome.NOBODY_THERE, _short(error))
        except Exception as error:  # noqa: BLE001 - whatever the network or a proxy does, the spans wait
            return _Attempt(_Outcome.TRY_AGAIN, _short(error))
        if answer.is_success:
            return _Attempt(_Outcome.DELIVERED, rejected=_rejected(answer.content))
        said = f"HTTP {answer.status_code}"
        if answer.status_code in _RETRIED or answer.is_server_error:
            return _Attempt(_Outcome.TRY_AGAIN, said, _retry_after(answer))
        return _Attempt(_Outcome.REFUSED_FOR_GOOD, said)

    def _count_delivered(self, sent: int, rejected: int) -> None:
        rejected = min(sent, rejected)
        stats.add("delivered", sent - rejected)
        if rejected:
            stats.lose(Loss.REJECTED, rejected)
            self._say("rejected", f"rejected {rejected} spans of a batch (partial_success)")
        if self._away:
            self._away = False
            logger.info("llmtrace: %s takes spans again", self._destination.shown)

    def _may_try_again(self, attempt: _Attempt, pause: float) -> bool:
        """Wait before the next attempt; False where there is no time for one."""
        wait = attempt.wait if attempt.wait is not None else pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
        with self._changed:
            if self._closed_at is None:
                self._changed.wait_for(lambda: self._hurry or self._closed_at is not None, wait)
                self._hurry = False
                return True
            if attempt.outcome is _Outcome.NOBODY_THERE:
                return False
            left = self._closed_at - time.monotonic()
            self._changed.wait(max(0.0, min(wait, left, FIRST_PAUSE)))
            return time.monotonic() < self._closed_at

    def _say_away(self, said: str) -> None:
        if not self._away:
            self._away = True
            waits = f"up to {self._capacity} wait in memory, your app is not affected"
            self._say("away", f"does not take spans ({said}); {waits}")

    def _say(self, trouble: str, what: str, level: int = logging.WARNING) -> None:
        """Log one line about a trouble, at most one in `SAY_EVERY` seconds."""
        now = time.monotonic()
        if now - self._said_at.get(trouble, float("-inf")) >= SAY_EVERY:
            self._said_at[trouble] = now
            logger.log(level, "llmtrace: %s %s", self._destination.shown, what)


def _rejected(content: bytes) -> int:
    """How many spans a successful answer says were not taken."""
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(content)
    except Exception:  # noqa: BLE001 - a backend that answers 2xx with something else has still taken the spans
        return 0
    return max(0, response.partial_success.rejected_spans)


def _short(error: Exception) -> str:
    """The kind of a network error; its text may repeat the address with credentials."""
    return type(error).__name__


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds from a Retry-After header in its number form, capped."""
    try:
        return min(LONGEST_PAUSE, max(0.0, float(answer.headers["retry-after"])))
    except (KeyError, ValueError):
        return None
