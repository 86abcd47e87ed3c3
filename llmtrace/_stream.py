"""Recording a stream while the app consumes it: what arrived, when the first token came, and why it ended.

Nothing is consumed on the app's behalf, no task is started, and no context is held between two items. The proxy that
stands for the user's stream is in `_recorded_stream`.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from time import perf_counter_ns
from typing import Protocol

from llmtrace._attributes import Attributes
from llmtrace._cancellation import is_cancellation
from llmtrace._guard import guarded
from llmtrace.recorders.shape import Accumulator
from llmtrace.semconv import trace as keys

_NANO = 1e-9


class Outcome(StrEnum):
    """Why a stream ended: ``llmtrace.stream.outcome``."""

    COMPLETE = "complete"
    """Read to its end."""
    ABANDONED = "abandoned"
    """The consumer stopped early: a break, a close, a disconnect."""
    CANCELLED = "cancelled"
    """The task that read it was cancelled."""
    ERROR = "error"
    """It raised."""


def outcome_of(error: BaseException) -> Outcome:
    """The outcome that an exception stands for."""
    if isinstance(error, GeneratorExit):
        return Outcome.ABANDONED
    return Outcome.CANCELLED if is_cancellation(error) else Outcome.ERROR


Then = Callable[[BaseException | None, int | None], None]
"""Takes what ended it, and when, if not just now."""


class Pending(Protocol):
    """Something that may go on after the block of its span was left, and then ends the span."""

    then: Then | None
    """What is to be done at its end: set where it was left behind by the block."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""

    @property
    def has_begun(self) -> bool:
        """Whether it was begun inside the block; then the block's end is its own."""

    def finish(self, outcome: Outcome, error: BaseException | None = None) -> None:
        """End it; a second call changes nothing."""


class Recipient(Protocol):
    """The span that a stream belongs to, as far as the stream needs it."""

    @property
    def started(self) -> int:
        """When it started, by time.perf_counter_ns()."""

    @property
    def start_time(self) -> int | None:
        """When it started, in nanoseconds since 1970."""

    def put_answer(self, answer: Attributes) -> None:
        """Take clean attributes that an answer is made of."""


class StreamRecording:
    """One stream of one span."""

    def __init__(self, span: Recipient, choose: Callable[[object], Accumulator]) -> None:
        """Begin to record.

        Args:
            span: receives what was recorded.
            choose: makes the accumulator, given the first chunk.
        """
        self._span: Recipient | None = span
        self._choose = choose
        self._accumulator: Accumulator | None = None
        self._first_token: int | None = None
        self._last_chunk: int | None = None
        self._chunks = 0
        self.is_over = False
        self.then: Then | None = None
        self.unless_more_comes = Outcome.ABANDONED

    @property
    def has_begun(self) -> bool:
        """Whether a chunk has arrived."""
        return self._chunks > 0

    def add(self, chunk: object) -> None:
        """Take a chunk."""
        if self.is_over:
            return
        self._chunks += 1
        self._last_chunk = perf_counter_ns()
        with guarded("recording a stream"):
            if self._accumulator is None:
                self._accumulator = self._choose(chunk)
            if self._accumulator.add(chunk) and self._first_token is None:
                self._first_token = self._last_chunk

    def finish(self, outcome: Outcome, error: BaseException | None = None, *, at_last_chunk: bool = False) -> None:
        """Put on the span what arrived; a second call changes nothing.

        Args:
            outcome: why the stream ended.
            error: what it raised, for a span whose block does not see it any more.
            at_last_chunk: it ended when its last chunk arrived: that is found out only now.
        """
        if self.is_over:
            return
        self.is_over = True
        ended = self.last_chunk_at if at_last_chunk else None
        span, then = self._span, self.then
        self._span = self.then = None  # the span holds us: what refers to it again is garbage that only the GC finds
        with guarded("recording a stream"):
            if span is not None:
                span.put_answer(self._attributes(span.started, outcome))
        self._accumulator = None
        if then is not None:
            then(error, ended)

    @property
    def last_chunk_at(self) -> int | None:
        """When the last chunk arrived, by the clock of the span: nanoseconds since 1970; None where none did."""
        if self._span is None or self._last_chunk is None or self._span.start_time is None:
            return None
        return self._span.start_time + self._last_chunk - self._span.started

    def _attributes(self, started: int, outcome: Outcome) -> Attributes:
        into = self._accumulator.attributes() if self._accumulator is not None else {}
        into[keys.STREAM_OUTCOME] = outcome.value
        into[keys.STREAM_CHUNKS] = self._chunks
        if self._first_token is not None:
            into[keys.TIME_TO_FIRST_TOKEN] = (self._first_token - started) * _NANO
            seconds = ((self._last_chunk or 0) - self._first_token) * _NANO
            tokens = into.get(keys.LLM_TOKEN_COUNT_COMPLETION)
            if isinstance(tokens, int) and tokens > 1 and seconds > 0:
                into[keys.TOKENS_PER_SECOND] = (tokens - 1) / seconds
        return into
