"""One HTTP connection: bounds on what a slow sender can hold, and a short way for requests that have come whole.

Uvicorn runs each request as a task that reads, waits and writes. A request that is there in one piece needs none: where
the application takes it ``at_once``, the answer is written by whoever has it first. All else goes uvicorn's way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from llmtrace.router.web.answer import Answer, Headers, read_headers

SLOWEST_HEAD: Final = 10.0
"""Seconds in which the head of a request must be whole, lest connections be held by senders who never finish one."""


class Quick(Protocol):
    """An ASGI application that has a short way for some requests."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

    def at_once(self, path: str, headers: Headers, body: bytes, then: Callable[[Answer], None]) -> bool:
        """Take a POST; ``then`` gets the answer. False where it has to go the long way; then nothing was done."""


class Connection(HttpToolsProtocol):
    """Who does not finish the head of a request in time is cut off."""

    _head: asyncio.TimerHandle | None = None
    _between = True
    """Whether no request is under way."""
    _reading = False
    _read: tuple[RequestResponseCycle, ASGIApp] | None = None
    """The request whose head came with what is being read."""

    def connection_made(self, transport: Any) -> None:
        """The clock starts with the connection."""
        self._wire = _OneWrite(transport, self.loop)
        super().connection_made(self._wire)  # type: ignore[arg-type]
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Read it; then the request is taken at once, or begun."""
        self._reading = True
        try:
            super().data_received(data)
        finally:
            self._reading = False
        if self._read is not None:
            (cycle, app), self._read = self._read, None
            if not self._at_once(cycle, app):
                super()._start_asgi_task(cycle, app)  # type: ignore[arg-type]
        elif self._between and self._head is None and self.timeout_keep_alive_task is None:
            self._expect_head()  # its first bytes are here

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

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Not before all is read that is there."""
        if self._reading:
            self._read = (cycle, app)
        else:
            super()._start_asgi_task(cycle, app)

    def _at_once(self, cycle: RequestResponseCycle, app: Any) -> bool:
        scope, quick = cycle.scope, self.config.app
        # Uvicorn has another application for who comes when there are too many.
        if cycle.more_body or scope["method"] != "POST" or app is not self.app or not hasattr(quick, "at_once"):
            return False
        try:
            taken: bool = quick.at_once(
                scope["path"],
                read_headers(scope["headers"]),
                bytes(cycle.body),
                lambda answer: self._say(cycle, answer),
            )
        except Exception:  # noqa: BLE001 - the long way meets the same fault, and answers
            return False
        return taken

    def _say(self, cycle: RequestResponseCycle, answer: Answer) -> None:
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.response_started = cycle.response_complete = True
        more = self.server_state.default_headers
        self._wire.write_now(answer.wire(more if cycle.keep_alive else [*more, (b"connection", b"close")]))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

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

    def write_now(self, data: bytes) -> None:
        """A whole answer."""
        self._flush()
        self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held:
            self._transport.write(held)
