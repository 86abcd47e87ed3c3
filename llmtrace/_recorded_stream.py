"""The user's stream as `record_stream` hands it back: it looks and behaves as it did, and every chunk is noted.

Whatever the stream can do (iterate, iterate asynchronously, send, throw, close, `with`), the proxy can, and nothing
else: frameworks choose by that. Each step runs in the span's context, which nobody sees between two steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import AsyncGeneratorType, GeneratorType
from typing import Any, Final

import wrapt

from llmtrace._cancellation import is_cancellation
from llmtrace._place import Place, is_gone, place
from llmtrace._scope import Steps
from llmtrace._stream import Outcome, StreamRecording, outcome_of
from llmtrace.recorders.stream_helpers import READERS, helper_abilities


class Reader:
    """What all proxies of one stream share. When the last one is gone, nobody can read the stream any more.

    Args:
        recording: takes the chunks and the end.
        steps: the context that the stream's own code runs in.
    """

    def __init__(self, recording: StreamRecording, steps: Steps) -> None:
        self.recording = recording
        self.steps = steps
        self.is_watched = False
        self.place: Place | None = None

    def request_is_over(self) -> None:
        """The request that the stream was read for is over: it is abandoned where its reader is gone."""
        if self.place is not None and is_gone(self.place):
            self.recording.finish(self.recording.unless_more_comes)

    def __del__(self) -> None:
        self.recording.finish(self.recording.unless_more_comes, at_last_chunk=True)


class RecordedStream(wrapt.BaseObjectProxy[Any]):
    """A stream whose chunks are noted on their way."""

    def __init__(self, stream: object, reader: Reader) -> None:
        super().__init__(stream)
        self._self_reader = reader

    def __repr__(self) -> str:
        return repr(self.__wrapped__)

    @property
    def __copy__(self) -> Any:
        # itertools.tee copies what says that it can be copied, as every proxy of wrapt does.
        raise AttributeError("__copy__")


def recorded(stream: object, reader: Reader) -> RecordedStream:
    """The stream to iterate instead of `stream`, which is anything that can be iterated, synchronously or not."""
    return _proxy(stream, reader)


def _proxy(stream: object, reader: Reader) -> RecordedStream:
    names = frozenset(name for name in (*_ABILITIES, *READERS) if hasattr(type(stream), name))
    made: RecordedStream = _class_for(names)(stream, reader)
    return made


def _reader(proxy: RecordedStream) -> Reader:
    made: Reader = proxy._self_reader  # noqa: SLF001 - wrapt keeps what begins so on the proxy; of this file
    return made


def _same_or_proxy(proxy: RecordedStream, other: object) -> object:
    return proxy if other is proxy.__wrapped__ else _proxy(other, _reader(proxy))


def _step(proxy: RecordedStream, resume: Callable[..., Any], *sent: Any) -> Any:
    reader = _stepping(proxy)
    try:
        chunk = reader.steps.run(resume, *sent)
    except StopIteration:
        reader.recording.finish(Outcome.COMPLETE)
        raise
    except BaseException as error:
        _stopped(proxy, error)
        raise
    _stepped(reader, chunk)
    return chunk


async def _step_async(proxy: RecordedStream, resume: Callable[..., Any], *sent: Any) -> Any:
    reader = _stepping(proxy)
    try:
        chunk = await reader.steps.wait(resume, *sent)
    except StopAsyncIteration:
        reader.recording.finish(Outcome.COMPLETE)
        raise
    except BaseException as error:
        _stopped(proxy, error)
        raise
    _stepped(reader, chunk)
    return chunk


def _stepping(proxy: RecordedStream) -> Reader:
    reader = _reader(proxy)
    reader.place = None  # it is being read
    return reader


def _stepped(reader: Reader, chunk: object) -> None:
    reader.recording.add(chunk)
    if reader.is_watched:
        reader.place = place()


def _stopped(proxy: RecordedStream, error: BaseException) -> None:
    recording = _reader(proxy).recording
    if is_cancellation(error) and not isinstance(proxy.__wrapped__, GeneratorType | AsyncGeneratorType):
        # Only the wait for this chunk was cancelled, by a timeout perhaps: unlike a generator the stream may go on.
        recording.unless_more_comes = Outcome.CANCELLED
    else:
        recording.finish(outcome_of(error), error)


def _closed(proxy: RecordedStream, close: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    reader = _reader(proxy)
    try:
        result = reader.steps.run(close, *args, **kwargs)
    except BaseException as error:
        reader.recording.finish(outcome_of(error), error)
        raise
    reader.recording.finish(Outcome.ABANDONED)
    return result


async def _closed_async(proxy: RecordedStream, close: Callable[..., Any], *args: Any) -> Any:
    reader = _reader(proxy)
    try:
        result = await reader.steps.wait(close, *args)
    except BaseException as error:
        reader.recording.finish(outcome_of(error), error)
        raise
    reader.recording.finish(Outcome.ABANDONED)
    return result


def _iter(self: RecordedStream) -> Any:
    return _same_or_proxy(self, _reader(self).steps.run(iter, self.__wrapped__))


def _next(self: RecordedStream) -> Any:
    return _step(self, self.__wrapped__.__next__)


def _send(self: RecordedStream, value: Any) -> Any:
    return _step(self, self.__wrapped__.send, value)


def _throw(self: RecordedStream, *error: Any) -> Any:
    return _step(self, self.__wrapped__.throw, *error)


def _close(self: RecordedStream, *args: Any, **kwargs: Any) -> Any:
    return _closed(self, self.__wrapped__.close, *args, **kwargs)


def _aiter(self: RecordedStream) -> Any:
    return _same_or_proxy(self, _reader(self).steps.run(aiter, self.__wrapped__))


async def _anext(self: RecordedStream) -> Any:
    return await _step_async(self, self.__wrapped__.__anext__)


async def _asend(self: RecordedStream, value: Any) -> Any:
    return await _step_async(self, self.__wrapped__.asend, value)


async def _athrow(self: RecordedStream, *error: Any) -> Any:
    return await _step_async(self, self.__wrapped__.athrow, *error)


async def _aclose(self: RecordedStream, *args: Any) -> Any:
    return await _closed_async(self, self.__wrapped__.aclose, *args)


def _enter(self: RecordedStream) -> Any:
    return _entered(self, self.__wrapped__.__enter__())


async def _aenter(self: RecordedStream) -> Any:
    return _entered(self, await self.__wrapped__.__aenter__())


def _entered(proxy: RecordedStream, entered: object) -> object:
    can_iterate = hasattr(type(entered), "__iter__") or hasattr(type(entered), "__aiter__")
    return _same_or_proxy(proxy, entered) if can_iterate else entered


def _exit(self: RecordedStream, *raised: Any) -> Any:
    return _closed(self, self.__wrapped__.__exit__, *raised)


async def _aexit(self: RecordedStream, *raised: Any) -> Any:
    return await _closed_async(self, self.__wrapped__.__aexit__, *raised)


def _await(self: RecordedStream) -> Any:
    return _awaited(self).__await__()


async def _awaited(proxy: RecordedStream) -> Any:
    """What was waited for: the stream, where a call was handed over that has not been waited for yet."""
    return _entered(proxy, await proxy.__wrapped__)


_ABILITIES: Final[dict[str, Callable[..., Any]]] = {
    "__iter__": _iter,
    "__next__": _next,
    "send": _send,
    "throw": _throw,
    "close": _close,
    "__aiter__": _aiter,
    "__anext__": _anext,
    "asend": _asend,
    "athrow": _athrow,
    "aclose": _aclose,
    "__enter__": _enter,
    "__exit__": _exit,
    "__aenter__": _aenter,
    "__aexit__": _aexit,
    "__await__": _await,
}
"""What a stream may be able to do, and what the proxy does then."""


@cache
def _class_for(abilities: frozenset[str]) -> type[RecordedStream]:
    made = {name: _ABILITIES[name] for name in abilities if name in _ABILITIES}
    return type("RecordedStream", (RecordedStream,), made | helper_abilities(abilities))
