"""One HTTP connection: bounds on what a slow sender can hold, and a short way for requests that have come whole.

Uvicorn parses each request and runs it as a task that reads, waits and writes. One that is there in one piece needs
none of that: where the application takes it ``at_once``, the answer is written by whoever has it first. All else goes
uvicorn's way, as if the short one had not been tried.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from llmtrace.router.web.answer import Answer, Headers
from llmtrace.router.web.whole import read

SLOWEST_HEAD: Final = 10.0
"""Seconds in which the head of a request must be whole, lest connections be held by senders who never finish one."""
LARGEST_HEAD: Final = 64 * 1024
"""Bytes of it, give or take what the system hands over at once: it is read before anybody knows who sends it."""
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: 26\r\nconnection: close\r\n\r\nThe headers are too large."
)
_OF_THE_UPGRADE: Final = frozenset({b"upgrade", b"http2-settings", b"connection"})


class Quick(Protocol):
    """An ASGI application that has a short way for some requests."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

    def at_once(self, path: str, headers: Headers, body: bytes, then: Callable[[Answer], None]) -> bool:
        """Take a POST; ``then`` gets the answer. False where it has to go the long way; then nothing was done."""


class Connection(HttpToolsProtocol):
    """Who does not finish the head of a request in time is cut off."""

    _head: asyncio.TimerHandle | None = None
    _head_size = 0
    _begun = False
    """Whether the parser has the beginning of a request."""
    _fed = b""
    """What the parser is reading."""

    def connection_made(self, transport: Any) -> None:
        """The clock starts with the connection."""
        self._wire = _OneWrite(transport, self.loop)
        super().connection_made(self._wire)  # type: ignore[arg-type]
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Take it at once, or parse it."""
        if self._is_idle and not self._begun and self._at_once(data):
            return
        self._fed = data
        super().data_received(data)
        self._fed = b""
        if self._head is not None:
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD:
                self._stop_waiting()
                self._wire.write_now(_TOO_LARGE)
                self.transport.close()
        if self._is_idle and self._head is None and self.timeout_keep_alive_task is None:
            self._expect_head()  # its first bytes are here

    def on_message_begin(self) -> None:
        """The next request."""
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self.parser.should_upgrade():
            return
        self._stop_waiting()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is."""
        if self.parser.should_upgrade():
            return
        self._begun = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Uvicorn's parser has stopped before the body, for the sender would speak another protocol (Java's does: h2c).

        Who does not go along takes the request as it is.
        """
        stopped = sys.exc_info()[1]
        method = self.parser.get_method()
        if not isinstance(stopped, httptools.HttpParserUpgrade) or method == b"CONNECT":
            self.send_400_response("Invalid HTTP request received.")
            return
        words = [word.strip() for name, value in self.headers if name == b"connection" for word in value.split(b",")]
        kept = [word for word in words if word.lower() not in _OF_THE_UPGRADE]
        lines = [(name, value) for name, value in self.headers if name not in _OF_THE_UPGRADE]
        lines += [(b"connection", b", ".join(kept))] if kept else []
        head = b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())
        head += b"".join(b"%s: %s\r\n" % line for line in lines) + b"\r\n"
        rest = self._fed[stopped.args[0] :]
        self.parser = httptools.HttpRequestParser(self)
        super().data_received(head + rest)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_waiting()
        super().connection_lost(exc)

    @property
    def _is_idle(self) -> bool:
        """Whether no request is under way. How long nothing may come is uvicorn's own matter."""
        cycle: Any = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    def _at_once(self, data: bytes) -> bool:
        quick, whole = self.config.app, read(data)
        if whole is None or not hasattr(quick, "at_once") or len(self.connections) >= (self.limit_concurrency or 0):
            return False
        before, cycle = self.cycle, _Quick()
        self.cycle = cycle  # type: ignore[assignment] # all that uvicorn looks at
        try:
            taken: bool = quick.at_once(whole.path, whole.headers, whole.body, partial(self._say, cycle))
        except Exception:  # noqa: BLE001 - the long way meets the same fault, and answers
            taken = False
        if not taken:
            self.cycle = before
            return False
        self._stop_waiting()
        if not cycle.response_complete:
            self._unset_keepalive_if_required()
        return True

    def _say(self, cycle: _Quick, answer: Answer) -> None:
        if cycle.disconnected or self.transport.is_closing():
            return
        cycle.response_complete = True
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
            self._head, self._head_size = None, 0


class _Quick:
    """A request that goes the short way, as far as uvicorn looks at the one that is under way."""

    __slots__ = ("disconnected", "keep_alive", "message_event", "response_complete")

    def __init__(self) -> None:
        self.disconnected = self.response_complete = False
        self.keep_alive = True
        self.message_event = _NOBODY_WAITS


_NOBODY_WAITS: Final = asyncio.Event()


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
