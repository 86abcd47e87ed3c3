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

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import Listen
from llmtrace.router.web.connection import Connection, Quick

MOST_CONNECTIONS: Final = 1_024
"""At once; more get a 503, so that memory stays bounded."""
BACKLOG: Final = 2_048
SHUTDOWN: Final = 5
"""Seconds that open requests get when the router stops."""
_RESOLVERS: Final = "32"
"""Threads that ask DNS. A name that is not answered must not keep others from being asked."""


class Server(uvicorn.Server):
    """Uvicorn, which says when it is ready and leaves the signals to us: it would end by the signal, not with 0."""

    def __init__(self, app: Quick, ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
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
