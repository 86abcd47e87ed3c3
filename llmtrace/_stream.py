"""Recording a stream while the app consumes it: what arrived, when the first token came, and why it ended.

Nothing is consumed on the app's behalf, no task is started, and no context is held between two items.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from time import perf_counter_ns
from typing import Any, Protocol

import wrapt

from llmtrace._attributes import Attributes
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


def outcome_of(error: BaseException | None) -> Outcome:
    """The outcome that an exception stands for; none: the stream is complete."""
    match error:
        case None | StopIteration() | StopAsyncIteration():
            return Outcome.COMPLETE
        case GeneratorExit():
            return Outcome.ABANDONED
        case CancelledError():
            return Outcome.CANCELLED
    return Outcome.ERROR


class Recipient(Protocol):
    """The span that a stream belongs to, as far as the stream needs it."""

    @property
    def started(self) -> int:
        """When it started, by time.perf_counter_ns()."""

    def put(self, attributes: Attributes) -> None:
        """Take clean attributes."""

    def end(self, end_time: int | None = None) -> None:
        """End the span."""


class StreamRecording:
    """One stream of one span."""

    def __init__(self, span: Recipient, choose: Callable[[object], Accumulator]) -> None:
        """Begin to record.

        Args:
            span: receives what was recorded.
            choose: makes the accumulator, given the first chunk.
        """
        self._span = span
        self._choose = choose
        self._accumulator: Accumulator | None = None
        self._first_token: int | None = None
        self._chunks = 0
        self.is_over = False
        self.ends_span = False

    @property
    def has_begun(self) -> bool:
        """Whether a chunk has arrived."""
        return self._chunks > 0

    def add(self, chunk: object) -> None:
        """Take a chunk."""
        self._chunks += 1
        with guarded("recording a stream"):
            if self._accumulator is None:
                self._accumulator = self._choose(chunk)
            if self._accumulator.add(chunk) and self._first_token is None:
                self._first_token = perf_counter_ns()

    def finish(self, outcome: Outcome) -> None:
        """Put on the span what arrived; a second call changes nothing."""
        if self.is_over:
            return
        self.is_over = True
        with guarded("recording a stream"):
            self._span.put(self._attributes(outcome))
        if self.ends_span:
            self._span.end()

    def _attributes(self, outcome: Outcome) -> Attributes:
        into = self._accumulator.attributes() if self._accumulator is not None else {}
        into[keys.STREAM_OUTCOME] = outcome.value
        into[keys.STREAM_CHUNKS] = self._chunks
        if self._first_token is not None:
            into[keys.TIME_TO_FIRST_TOKEN] = (self._first_token - self._span.started) * _NANO
            seconds = (perf_counter_ns() - self._first_token) * _NANO
            tokens = into.get(keys.LLM_TOKEN_COUNT_COMPLETION)
            if isinstance(tokens, int) and tokens > 1 and seconds > 0:
                into[keys.TOKENS_PER_SECOND] = (tokens - 1) / seconds
        return into


class RecordedStream(wrapt.ObjectProxy[Any]):
    """The user's stream, looking and behaving as it did, with every chunk noted on its way."""

    def __init__(self, stream: object, recording: StreamRecording) -> None:
        super().__init__(stream)
        self._self_recording = recording
        self._self_iterator: Any = None

    def __iter__(self) -> Iterator[Any]:
        return _RecordedIterator(iter(self.__wrapped__), self)

    def __next__(self) -> Any:
        if self._self_iterator is None:
            self._self_iterator = iter(self)
        return next(self._self_iterator)

    def __aiter__(self) -> AsyncIterator[Any]:
        return _RecordedAsyncIterator(aiter(self.__wrapped__), self)

    async def __anext__(self) -> Any:
        if self._self_iterator is None:
            self._self_iterator = aiter(self)
        return await anext(self._self_iterator)

    def __enter__(self) -> Any:
        entered = self.__wrapped__.__enter__()
        return self if entered is self.__wrapped__ else entered

    async def __aenter__(self) -> Any:
        entered = await self.__wrapped__.__aenter__()
        return self if entered is self.__wrapped__ else entered

    def __del__(self) -> None:
        self._self_recording.finish(Outcome.ABANDONED)


class _RecordedIterator:
    """Iterates a stream for the user. Holds the stream, so that it is not abandoned while somebody reads it."""

    def __init__(self, iterator: Iterator[Any], stream: RecordedStream) -> None:
        self._iterator = iterator
        self._stream = stream
        self._recording: StreamRecording = stream._self_recording  # noqa: SLF001 - of this file

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            chunk = next(self._iterator)
        except BaseException as error:
            self._recording.finish(outcome_of(error))
            raise
        self._recording.add(chunk)
        return chunk


class _RecordedAsyncIterator:
    """Iterates an asynchronous stream for the user."""

    def __init__(self, iterator: AsyncIterator[Any], stream: RecordedStream) -> None:
        self._iterator = iterator
        self._stream = stream
        self._recording: StreamRecording = stream._self_recording  # noqa: SLF001 - of this file

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        try:
            chunk = await anext(self._iterator)
        except BaseException as error:
            self._recording.finish(outcome_of(error))
            raise
        self._recording.add(chunk)
        return chunk
