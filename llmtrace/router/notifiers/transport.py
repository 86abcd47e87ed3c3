"""HTTP/1.1 under httpx: plain asyncio connections that are kept for a while, for a tenth of what a general one costs.

A message to a destination is one small request and one small answer. How they are made up and read is httpx's matter.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

import httptools
import httpx

LARGEST_HEAD: Final = 100 * 1024
"""Bytes of an answer before its body."""
_MUCH: Final = 256 * 1024
"""Bytes of a body that wait to be read; then the other end waits."""
_INFORMATIONAL: Final = range(100, 200)

_Origin = tuple[str, str, int, str]
"""Scheme, host, port, and the name that the other end has to prove."""


class Transport(httpx.AsyncBaseTransport):
    """Keeps at most ``kept`` idle connections, each for ``kept_for`` seconds. Of one event loop.

    ``trust`` says whom https believes; without it, those whom httpx believes.
    """

    def __init__(self, kept: int = 100, kept_for: float = 2.0, trust: ssl.SSLContext | None = None) -> None:
        self._kept = kept
        self._kept_for = kept_for
        self._idle: dict[_Connection, tuple[_Origin, asyncio.TimerHandle]] = {}
        self._trust = trust or httpx.create_ssl_context(trust_env=False)
        self._trust.set_alpn_protocols(["http/1.1"])

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it; the answer's body is read by whoever wants it."""
        origin = _origin(request)
        limits: dict[str, float | None] = request.extensions.get("timeout", {})
        sent = _written(request, await request.aread())
        connection = self._taken(origin) or await self._connected(origin, limits.get("connect"))
        try:
            connection.ask(sent, last=request.headers.get("connection", "").lower() == "close")
            await connection.head(limits.get("read"))
        except BaseException:
            connection.abort()
            raise
        body = _Body(self, origin, connection, limits.get("read"))
        return httpx.Response(connection.status, headers=connection.headers, stream=body)

    async def aclose(self) -> None:
        """Close those that nobody uses."""
        for connection, (_, timer) in self._idle.items():
            timer.cancel()
            connection.abort()
        self._idle.clear()

    def give_back(self, origin: _Origin, connection: _Connection) -> None:
        """An answer is over, or not read to its end."""
        if not connection.is_reusable or len(self._idle) >= self._kept:
            connection.abort()
            return
        timer = asyncio.get_running_loop().call_later(self._kept_for, self._expire, connection)
        self._idle[connection] = (origin, timer)

    def _taken(self, wanted: _Origin) -> _Connection | None:
        for connection, (origin, timer) in reversed(self._idle.items()):
            if origin == wanted and connection.is_reusable:
                timer.cancel()
                del self._idle[connection]
                return connection
        return None

    def _expire(self, connection: _Connection) -> None:
        if self._idle.pop(connection, None) is not None:
            connection.abort()

    async def _connected(self, origin: _Origin, limit: float | None) -> _Connection:
        scheme, host, port, name = origin
        loop = asyncio.get_running_loop()
        tls: dict[str, Any] = {"ssl": self._trust, "server_hostname": name} if scheme == "https" else {}
        try:
            async with asyncio.timeout(limit):
                _, connection = await loop.create_connection(_Connection, host, port, **tls)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("no connection in time") from error
        except (OSError, ssl.SSLError, UnicodeError) as error:
            raise httpx.ConnectError(type(error).__name__) from error
        return connection


class _Connection(asyncio.Protocol):
    """One connection, one answer at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._more = asyncio.Event()
        self._error: httpx.TransportError | None = None
        self._is_asked = self._is_last = False
        self._is_paused = False
        self._begin()

    def _begin(self) -> None:
        """Ready for an answer."""
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self._chunks: deque[bytes] = deque()
        self._waiting = 0
        self._head_size = 0
        self._has_head = self._is_over = self._stays = False

    @property
    def is_reusable(self) -> bool:
        """Whether it may be asked again."""
        return self._is_over and self._stays and not self._is_last and self._error is None

    def ask(self, request: bytes, *, last: bool) -> None:
        """Send a request; after the last one the connection is not kept."""
        self._begin()
        self._is_last = last
        self._parser = httptools.HttpResponseParser(self)
        self._is_asked = True
        if self._transport is not None:
            self._transport.write(request)

    async def head(self, limit: float | None) -> None:
        """Wait until status and headers are here."""
        while not self._has_head:
            await self._wait(limit)

    async def chunk(self, limit: float | None) -> bytes:
        """The next part of the body; empty at its end."""
        while not self._chunks and not self._is_over:
            await self._wait(limit)
        if not self._chunks:
            return b""
        chunk = self._chunks.popleft()
        self._waiting -= len(chunk)
        if self._is_paused and self._waiting < _MUCH and self._transport is not None:
            self._is_paused = False
            self._transport.resume_reading()
        return chunk

    def abort(self) -> None:
        """Never again."""
        self._fail(httpx.ReadError("closed"))
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self, limit: float | None) -> None:
        if self._error is not None:
            raise self._error
        self._more.clear()
        try:
            async with asyncio.timeout(limit):
                await self._more.wait()
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time") from error

    # The event loop's calls.

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._is_asked or self._is_over:
            self.abort()  # nobody asked for this
            return
        if not self._has_head and self._head_size > LARGEST_HEAD:
            self._fail(httpx.RemoteProtocolError("the head of the answer is too large"))
            return
        self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(httpx.RemoteProtocolError(type(error).__name__))

    def eof_received(self) -> None:
        if self._has_head and not self._is_over and self._ends_with_connection:
            self._is_over = True
        self._fail(httpx.RemoteProtocolError("the connection ended before the answer"))

    def connection_lost(self, error: Exception | None) -> None:
        if error is None:
            self.eof_received()
        self._fail(httpx.ReadError(type(error).__name__))

    # The parser's calls.

    def on_message_begin(self) -> None:
        if self._has_head:
            raise ValueError("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status in _INFORMATIONAL:
            self.headers = []
            return
        self._stays = self._parser.should_keep_alive()
        self._has_head = True
        self._more.set()

    def on_body(self, body: bytes) -> None:
        self._chunks.append(body)
        self._waiting += len(body)
        if self._waiting >= _MUCH and not self._is_paused and self._transport is not None:
            self._is_paused = True
            self._transport.pause_reading()
        self._more.set()

    def on_message_complete(self) -> None:
        if self._has_head:
            self._is_over = True
            self._more.set()

    @property
    def _ends_with_connection(self) -> bool:
        return not any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers)

    def _fail(self, error: httpx.TransportError) -> None:
        self._error = self._error or error
        self._more.set()


class _Body(httpx.AsyncByteStream):
    """The body of an answer. When it is closed the connection goes back."""

    def __init__(self, owner: Transport, origin: _Origin, connection: _Connection, limit: float | None) -> None:
        self._owner = owner
        self._origin = origin
        self._connection: _Connection | None = connection
        self._limit = limit

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._connection is not None and (chunk := await self._connection.chunk(self._limit)):
            yield chunk

    async def aclose(self) -> None:
        """It is not read any further."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._owner.give_back(self._origin, connection)


def _origin(request: httpx.Request) -> _Origin:
    url = request.url
    port = url.port or (443 if url.scheme == "https" else 80)
    host = url.raw_host.decode("ascii")
    return url.scheme, host, port, request.extensions.get("sni_hostname") or host


def _written(request: httpx.Request, body: bytes) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path)]
    lines += [b"%b: %b" % each for each in request.headers.raw]
    if any(mark in line for line in lines for mark in (b"\r", b"\n", b"\x00")):
        raise httpx.LocalProtocolError("a header holds a line end")
    if "transfer-encoding" in request.headers:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
