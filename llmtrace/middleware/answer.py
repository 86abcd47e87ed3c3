"""The answer of one request on its way out: it gets ``X-Trace-Id``, and a page from elsewhere may read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from time import time_ns
from typing import Any, Final

from llmtrace._guard import guarded

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

HEADER: Final = "X-Trace-Id"
EXPOSE: Final = "Access-Control-Expose-Headers"
_HEADER: Final = HEADER.lower().encode()
_EXPOSE: Final = EXPOSE.lower().encode()
_STARTS: Final = ("http.response.start", "websocket.accept", "websocket.http.response.start")
_BODIES: Final = ("http.response.body", "http.response.pathsend", "websocket.http.response.body")
_APOLOGY: Final = b"Internal Server Error"


class Answer:
    """What is known of an answer, and the header that it gets.

    Attributes:
        is_http: whether it is an HTTP answer, which has an end; a websocket has none.
        is_started: whether its headers are out.
        status: its HTTP status, once started.
        ended: when its last byte was handed to the server, in nanoseconds since 1970.
    """

    __slots__ = ("_is_from_elsewhere", "_trace_id", "ended", "is_http", "is_started", "status")

    def __init__(self, trace_id: int, *, is_from_elsewhere: bool) -> None:
        """Describe the answer to come.

        Args:
            trace_id: the request's trace.
            is_from_elsewhere: whether a page of another origin asks: it sees only the headers that are exposed.
        """
        self._trace_id = b"%032x" % trace_id
        self._is_from_elsewhere = is_from_elsewhere
        self.is_http = True
        self.is_started = False
        self.status: int | None = None
        self.ended: int | None = None

    def sender(self, send: Send) -> Send:
        """`send`, with our header on what starts the answer."""

        async def send_with_header(message: Message) -> None:
            kind = message["type"]
            if kind in _STARTS:
                message = self._started(message)
            await send(message)
            if kind in _BODIES and not message.get("more_body"):
                self.ended = time_ns()

        return send_with_header

    async def apologise(self, send: Send) -> None:
        """Answer with the plain 500 of every server, which would send it without the header."""
        sender = self.sender(send)
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(_APOLOGY))]
        await sender({"type": "http.response.start", "status": 500, "headers": headers})
        await sender({"type": "http.response.body", "body": _APOLOGY})

    def _started(self, message: Message) -> Message:
        self.is_started = True
        status = message.get("status")
        self.status = status if isinstance(status, int) else None
        with guarded("putting the trace id on an answer"):
            return {**message, "headers": self._with_ours(message.get("headers") or ())}
        return message

    def _with_ours(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        others: list[tuple[bytes, bytes]] = []
        exposed: list[bytes] = []
        for pair in headers:
            name = bytes(pair[0]).lower()
            if name == _EXPOSE and self._is_from_elsewhere:
                exposed.append(bytes(pair[1]))
            elif name != _HEADER:
                others.append(pair)
        others.append((_HEADER, self._trace_id))
        if self._is_from_elsewhere:
            others.append((_EXPOSE, exposing(b", ".join(exposed).decode("latin-1")).encode("latin-1")))
        return others


def exposing(names: str) -> str:
    """A list of exposed headers, with ours in it once."""
    listed = [name for name in map(str.strip, names.split(",")) if name]
    return ", ".join(listed if HEADER.lower() in map(str.lower, listed) else [*listed, HEADER])
