"""Calls that are made again: attempts of one call are events on its one span.

The vendors' SDKs send a failed request again by themselves, with the same body, and a client below them cannot see
whether they will. So the span of a failed attempt waits a little for the next one: until the span around it ends, or
for some seconds. It ends with the time at which the attempt failed, whenever that is found out.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from opentelemetry.trace import Span as ApiSpan

from llmtrace._block import finish
from llmtrace._guard import guarded
from llmtrace._span import Span
from llmtrace._stream import Outcome, Then
from llmtrace.integrations.httpx.failures import Failure

Key = tuple[int, str, int]
"""The span around a call, its address, and its body."""

_MOST = 1_000
"""Calls that wait; beyond that the oldest ends."""


@dataclass(slots=True)
class Attempts:
    """A call whose last attempt failed. A `Pending` of the span around it.

    Attributes:
        span: the call's.
        failure: what the last attempt ended with.
        count: the attempts so far.
        is_ours: whether the span is ended here.
        until: when nobody waits any more, by time.monotonic().
    """

    span: ApiSpan
    failure: Failure
    count: int
    is_ours: bool
    until: float = 0.0
    then: Then | None = None
    is_over: bool = False
    has_begun: bool = field(default=True, init=False)

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:  # noqa: ARG002 - of a `Pending`
        """Nobody tried again: the failure is the call's."""
        if not self.is_over:
            self.is_over = True
            if self.is_ours and isinstance(self.span, Span):
                with guarded("ending a failed call"):
                    self.failure.put_on(self.span)
                    finish(self.span, None, self.failure.at)


class Retries:
    """The calls that wait. Bounded in number and time; one timer for all of them."""

    def __init__(self, seconds: float = 10.0, longest: float = 60.0) -> None:
        """Begin with none.

        Args:
            seconds: how long a call waits.
            longest: the same where the provider said when to ask again.
        """
        self._seconds = seconds
        self._longest = longest
        self._renew()
        os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Key, list[Attempts]] = OrderedDict()
        self._timer: threading.Timer | None = None

    def wait(self, key: Key, attempts: Attempts, around: ApiSpan | None = None) -> None:
        """Let a call wait for its next attempt, at most as long as the span around it lives."""
        seconds = max(self._seconds, min(attempts.failure.wait + 5.0, self._longest) if attempts.failure.wait else 0.0)
        attempts.until = time.monotonic() + seconds
        if isinstance(around, Span) and around.is_recording():
            around.await_end_of(attempts)
        with self._lock:
            self._waiting.setdefault(key, []).append(attempts)
            oldest = self._waiting.popitem(last=False)[1] if len(self._waiting) > _MOST else []
            self._arm()
        _end(oldest)

    def again(self, key: Key) -> Attempts | None:
        """The call that is made again now, with the failure before as an event on its span; None: it is a new one."""
        if not self._waiting:
            return None
        with self._lock:
            waiting = self._waiting.get(key)
            found = waiting.pop() if waiting else None
            if waiting is not None and not waiting:
                del self._waiting[key]
        if found is None or found.is_over:
            return None
        found.is_over = True
        found.failure.put_retry_on(found.span, found.count)
        return found

    def settle(self) -> None:
        """End all that wait: nobody will try again."""
        with self._lock:
            waiting, self._waiting = self._waiting, OrderedDict()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
        for attempts in waiting.values():
            _end(attempts)

    def _arm(self) -> None:
        """Wake up when the first one has waited long enough. Under the lock."""
        if self._timer is None and self._waiting:
            first = min(attempts.until for waiting in self._waiting.values() for attempts in waiting)
            self._timer = threading.Timer(max(first - time.monotonic(), 0.0) + 0.05, self._ring)
            self._timer.daemon = True
            self._timer.start()

    def _ring(self) -> None:
        now = time.monotonic()
        late: list[Attempts] = []
        with self._lock:
            self._timer = None
            for key, waiting in list(self._waiting.items()):
                late += [attempts for attempts in waiting if attempts.until <= now or attempts.is_over]
                waiting[:] = [attempts for attempts in waiting if attempts.until > now and not attempts.is_over]
                if not waiting:
                    del self._waiting[key]
            self._arm()
        _end(late)


def _end(waiting: list[Attempts]) -> None:
    for attempts in waiting:
        attempts.finish(Outcome.ERROR)
