"""Scores on their way to Phoenix, as annotations: tried again until the span is there, from a thread of its own.

A thumb may be faster than the trace it is about, which still waits to be sent. Phoenix answers 404 then, and the score
is tried again, at growing intervals. Its queries ask for annotations of spans, so a score of a whole trace also stands
on the trace's root. Scores wait in memory: those that are left at the end of the process are lost and counted.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote, urlencode

from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY as SUPPRESS_INSTRUMENTATION
from opentelemetry.context import attach, detach, set_value

from llmtrace._connection import Connection, UnreachableError
from llmtrace._forks import importing
from llmtrace._guard import guarded, say_once
from llmtrace._stats import stats
from llmtrace.exporters.answers import of_error
from llmtrace.exporters.destination import THREAD_PREFIX, Destination
from llmtrace.exporters.threads import begun
from llmtrace.scores import Score

_AGAIN: Final = frozenset({404, 408, 425, 429})
_FIRST_ERROR, _FIRST_SERVER_ERROR = 400, 500
_ROOT_SECONDS: Final = 30.0
"""How long a trace's root is waited for: it ends, and arrives, last."""
_NOT_FOUND: Final = 404
_LONGEST_SPAN: Final = 64 * 1024 * 1024
_JSON: Final = {"content-type": "application/json"}


@dataclass(order=True, slots=True)
class _Waiting:
    """A score that waits for its next attempt."""

    due: float
    place: int
    score: Score = field(compare=False)
    gives_up: float = field(compare=False)
    pause: float = field(compare=False)


class Annotations:
    """Sends scores to one Phoenix."""

    def __init__(
        self,
        destination: Destination,
        project: str,
        clean: Callable[[], Callable[[Score], Score]],
        *,
        most: int = 10_000,
        first_pause: float = 0.5,
        longest_pause: float = 60.0,
        patience: float = 3_600.0,
    ) -> None:
        """Make an empty queue.

        Args:
            destination: Phoenix's base address.
            project: the project that the traces are in.
            clean: makes what takes secrets and unwanted content out of a score; called on the thread.
            most: scores that may wait; further ones are lost and counted.
            first_pause: seconds before the second attempt; it doubles from attempt to attempt.
            longest_pause: the most that it becomes.
            patience: seconds after which a score is given up.
        """
        self._destination = destination
        self._spans = f"{destination.url}/v1/projects/{quote(project, safe='')}/spans"
        self._make_clean = clean
        self._most = most
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._patience = patience
        self._renew()

    def _renew(self) -> None:
        self._changed = threading.Condition()
        self._queue: list[_Waiting] = []
        self._in_hand = 0
        self._count = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def offer(self, score: Score) -> None:
        """Take a score. Never blocks for longer than a lock."""
        now = time.monotonic()
        with self._changed:
            if self._closed or len(self._queue) >= self._most:
                stats.add("scores.lost.shutdown" if self._closed else "scores.lost.queue_full")
                return
            self._count += 1
            heapq.heappush(self._queue, _Waiting(now, self._count, score, now + self._patience, self._first_pause))
            if self._thread is None:
                self._thread = begun(self._run, f"{THREAD_PREFIX}scores")
            self._changed.notify_all()

    def knows(self, trace_id: str) -> bool | None:
        """Whether Phoenix has the trace; None where it does not answer. Blocks."""
        token = attach(set_value(SUPPRESS_INSTRUMENTATION, True))
        try:
            with self._destination.client() as client:
                return bool(self._find(client, {"trace_id": trace_id}))
        except Exception as error:  # noqa: BLE001 - whatever the network does
            self._say_down(error)
            return None
        finally:
            detach(token)

    def flush(self, deadline: float) -> bool:
        """Try at once, and wait until every score was taken; False where time.monotonic() passed `deadline` first."""
        self.hurry()
        with self._changed:
            return self._changed.wait_for(
                lambda: not self._queue and not self._in_hand, max(0.0, deadline - time.monotonic())
            )

    def hurry(self) -> None:
        """Try at once what waits for its next attempt."""
        with self._changed:
            for waiting in self._queue:
                waiting.due = 0.0
            self._changed.notify_all()

    def close(self, deadline: float) -> bool:
        """Flush, and take nothing more; what is left is lost and counted."""
        done = self.flush(deadline)
        with self._changed:
            self._closed = True
            if self._queue:
                stats.add("scores.lost.shutdown", len(self._queue))
            self._queue.clear()
            self._changed.notify_all()
        return done

    def after_fork_in_child(self) -> None:
        """What waits is the parent's to send."""
        self._renew()

    def _run(self) -> None:
        # Our own requests must not become spans of the app's HTTP instrumentation.
        attach(set_value(SUPPRESS_INSTRUMENTATION, True))
        with importing:
            clean = self._make_clean()
            client = self._destination.client()
        with client:
            while (waiting := self._next()) is not None:
                again = False
                with guarded("sending a score"):
                    again = self._send(client, clean(waiting.score), is_young=self._is_young(waiting))
                self._done(waiting, again=again)

    def _next(self) -> _Waiting | None:
        """The next score that is due; None at the end."""
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                if self._queue and self._queue[0].due <= now:
                    self._in_hand = 1
                    return heapq.heappop(self._queue)
                self._changed.wait(self._queue[0].due - now if self._queue else None)
        return None

    def _done(self, waiting: _Waiting, *, again: bool) -> None:
        now = time.monotonic()
        with self._changed:
            self._in_hand = 0
            if again and now + waiting.pause < waiting.gives_up and not self._closed:
                waiting.due = now + waiting.pause
                waiting.pause = min(waiting.pause * 2, self._longest_pause)
                heapq.heappush(self._queue, waiting)
            elif again:
                stats.add("scores.lost.shutdown" if self._closed else "scores.lost.expired")
            self._changed.notify_all()

    def _is_young(self, waiting: _Waiting) -> bool:
        return waiting.gives_up - self._patience + _ROOT_SECONDS > time.monotonic()

    def _send(self, client: Connection, score: Score, *, is_young: bool) -> bool:
        """Send a score; True where it is to be tried again.

        Args:
            client: to send it with.
            score: the score.
            is_young: the trace's root may still be on its way.
        """
        try:
            status = self._post(client, score)
            if score.span_id is None and status < _FIRST_ERROR:
                root = self._find(client, {"trace_id": score.trace_id or "", "parent_id": "null"})
                if root is None and is_young:
                    return True
                status = status if root is None else self._post(client, replace(score, span_id=root))
        except (UnreachableError, OSError, HTTPException) as error:
            self._say_down(error)
            return True
        if status in _AGAIN or status >= _FIRST_SERVER_ERROR:
            return True
        if status < _FIRST_ERROR:
            stats.add("scores.delivered")
        else:
            stats.add("scores.lost.rejected")
            say_once("scores:refused", "llmtrace: %s refuses scores: HTTP %s", self._shown, status)
        return False

    def _post(self, client: Connection, score: Score) -> int:
        """One request; returns the status. 404: the trace or span is not there (yet)."""
        kind = "trace" if score.span_id is None else "span"
        url = f"{self._destination.url}/v1/{kind}_annotations"
        body = json.dumps({"data": [as_annotation(score)]}, allow_nan=False).encode()
        return client.request("POST", f"{url}?sync=true", body, _JSON).status

    def _find(self, client: Connection, query: dict[str, str]) -> str | None:
        """The id of one span."""
        reply = client.request("GET", f"{self._spans}?{urlencode({**query, 'limit': '1'})}", most=_LONGEST_SPAN)
        if reply.status == _NOT_FOUND:
            return None  # a project comes to be with its first span
        if not reply.is_success:
            raise HTTPException(f"HTTP {reply.status}")
        found = json.loads(reply.body)["data"]
        return str(found[0]["context"]["span_id"]) if found else None

    def _say_down(self, error: Exception) -> None:
        say_once("scores:down", "llmtrace: scores wait: %s does not answer (%s)", self._shown, of_error(error).said)

    @property
    def _shown(self) -> str:
        return self._destination.shown


def as_annotation(score: Score) -> dict[str, Any]:
    """A score in Phoenix's words."""
    result = {"score": score.score, "label": score.label, "explanation": score.explanation}
    target = {"trace_id": score.trace_id} if score.span_id is None else {"span_id": score.span_id}
    return {
        **target,
        "name": score.name,
        "annotator_kind": score.annotator.value,
        "identifier": score.identifier,
        "metadata": dict(score.metadata),
        "result": {key: value for key, value in result.items() if value not in (None, "")},
    }
