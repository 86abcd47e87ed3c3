"""The HTTP server: uvicorn over a socket of ours, with bounds on what slow or many clients can hold."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import Listen

MOST_CONNECTIONS: Final = 1_024
"""At once; more get a 503, so that memory stays bounded."""
BACKLOG: Final = 2_048
SLOWEST_HEAD: Final = 10.0
"""Seconds in which the head of a request must be whole, lest connections be held by senders who never finish one."""
SHUTDOWN: Final = 5
"""Seconds that open requests get when the router stops."""
_RESOLVERS: Final = "32"
"""Threads that ask DNS. A name that is not answered must not keep others from being asked."""


class Server(uvicorn.Server):
    """Uvicorn, which says when it is ready and leaves the signals to us: it would end by the signal, not with 0."""

    def __init__(self, app: ASGIApp, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                proxy_headers=False,
                log_config=None,
                access_log=False,
                server_header=False,
                lifespan="off",
                limit_concurrency=MOST_CONNECTIONS,
                timeout_graceful_shutdown=SHUTDOWN,
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Bind, then say so."""
        await super().startup(sockets)
        self._ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave them alone."""
        yield

    async def until_signalled(self, listening: socket.socket, reload: Callable[[], Awaitable[Any]]) -> None:
        """Serve until SIGTERM or SIGINT; SIGHUP reloads."""

        def leave() -> None:
            self.should_exit = True

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, leave)
        reloads: set[asyncio.Future[Any]] = set()
        loop.add_signal_handler(signal.SIGHUP, lambda: reloads.add(asyncio.ensure_future(reload())))
        await self.serve(sockets=[listening])


class _Protocol(HttpToolsProtocol):
    """One connection. Who does not finish the head of a request in time is cut off."""

    _head: asyncio.TimerHandle | None = None
    _between = True
    """Whether no request is under way."""

    def connection_made(self, transport: Any) -> None:
        """The clock starts with the connection."""
        super().connection_made(_OneWrite(transport, self.loop))  # type: ignore[arg-type]
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """And again with the first byte of each further request."""
        if self._between and self._head is None:
            self._expect_head()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._stop_waiting()
        self._between = False
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The next head may come; how long nothing may come is uvicorn's own matter."""
        self._between = True
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(SLOWEST_HEAD, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


class _OneWrite:
    """A transport that sends the head and the body of an answer with one call to the system instead of two."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/") and not self._held:
            self._held = data
            self._loop.call_soon(self._flush)
            return
        held, self._held = self._held, b""
        self._transport.write(held + data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._transport.write(held)


def run(main: Callable[[], Any]) -> None:
    """Run a coroutine function in an event loop made for many small requests."""
    os.environ.setdefault("UV_THREADPOOL_SIZE", _RESOLVERS)
    uvloop.run(main())


@contextlib.contextmanager
def bound(listen: Listen) -> Iterator[socket.socket]:
    """The socket, bound before the store is touched: what can be said at once is said at once.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if listen.is_ipv6 else socket.AF_INET
    # With the protocol named the loop sets TCP_NODELAY on what it accepts; without, each answer waits 40 ms for an ACK.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((listen.host, listen.port))
            listening.listen(BACKLOG)
        except OSError as error:
            what = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be listened on ({error.strerror})"
            remedy = "stop what listens there, or choose another with --listen host:port (port 0: any free one)"
            raise ConfigurationError(f"listen: the address {listen} {what}; {remedy}") from error
        yield listening


def url_of(listening: socket.socket) -> str:
    """Where it can be reached."""
    host, port = listening.getsockname()[:2]
    return f"http://{Listen(host, port)}"
