"""Listening to the body of an answer while the application reads it: its bytes pass through unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Protocol

from wrapt import ObjectProxy

from llmtrace._guard import guarded


class Listener(Protocol):
    """Who is told what passes."""

    def heard(self, data: bytes) -> None:
        """Some bytes, decoded."""

    def hung_up(self, error: BaseException | None, *, is_whole: bool) -> None:
        """It is over."""


def listen(response: Any, listener: Listener) -> None:
    """Tell `listener` of the body of `response`, which the application is about to read."""
    decoder = None
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        # A decoder of our own: the response's keeps what it has read, and begins only when it is read.
        shadow = type(response)(200, headers=[("content-encoding", response.headers["content-encoding"])])
        decoder = shadow._get_content_decoder()  # noqa: SLF001 - the only way to what the library supports
    response.stream = _Stream(response.stream, listener, decoder)


class _Stream(ObjectProxy[Any]):
    """The body, as the library's own stream to all appearances."""

    def __init__(self, stream: Any, listener: Listener, decoder: Any) -> None:
        super().__init__(stream)
        self._self_listener = listener
        self._self_decoder = decoder

    def _told(self, data: bytes) -> None:
        with guarded("listening to an answer"):
            decoder = self._self_decoder
            if decoder is not None:
                decoded = decoder.decode(data)
                data = decoded if isinstance(decoded, bytes) else b"".join(decoded)  # httpx2 gives it in pieces
            self._self_listener.heard(data)

    def __iter__(self) -> Iterator[bytes]:
        try:
            for data in self.__wrapped__:
                self._told(data)
                yield data
        except GeneratorExit:
            raise
        except BaseException as error:
            self._self_listener.hung_up(error, is_whole=False)
            raise
        self._self_listener.hung_up(None, is_whole=True)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self.__wrapped__.__aiter__()
        try:
            try:
                async for data in stream:
                    self._told(data)
                    yield data
            finally:
                if hasattr(stream, "aclose"):
                    await stream.aclose()
        except GeneratorExit:
            raise
        except BaseException as error:
            self._self_listener.hung_up(error, is_whole=False)
            raise
        self._self_listener.hung_up(None, is_whole=True)

    def close(self) -> None:
        """Close the body; what was not read is not coming."""
        try:
            self.__wrapped__.close()
        finally:
            self._self_listener.hung_up(None, is_whole=False)

    async def aclose(self) -> None:
        """The same, asynchronously."""
        try:
            await self.__wrapped__.aclose()
        finally:
            self._self_listener.hung_up(None, is_whole=False)
