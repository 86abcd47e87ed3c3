"""One connection to an ASGI application, made without a server: every byte of it is the test's to choose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

Headers = Sequence[tuple[bytes, bytes]]


def http_scope(path: str = "/", headers: Headers = (), client: Any = ("127.0.0.1", 50_000), **more: Any) -> Any:
    """The scope of a GET, from this machine where nothing else is said."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": b"",
        "root_path": "",
        "headers": list(headers),
        "client": client,
        "server": ("127.0.0.1", 80),
    }
    return scope | more


async def answer_to(app: Any, scope: Any) -> list[dict[str, Any]]:
    """What `app` sends to this connection; an exception of its own is the server's to log."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    await app(scope, receive, send)
    return sent


def call(app: Any, headers: Headers = (), path: str = "/", **more: Any) -> list[dict[str, Any]]:
    """`answer_to` a GET, in a loop of its own."""
    return asyncio.run(answer_to(app, http_scope(path, headers, **more)))


def sent_header(messages: list[dict[str, Any]], name: bytes) -> list[bytes]:
    """Every value of a header of the answer."""
    return [value for key, value in messages[0]["headers"] if key.lower() == name]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """The smallest application."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
