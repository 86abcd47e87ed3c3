"""What the router would send, without a socket: a client that asks a function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Self

from yarl import URL


class Asked(NamedTuple):
    """A request as `llmtrace.router.notifiers.http` gives it to its client."""

    method: str
    url: URL
    data: bytes
    headers: Mapping[str, str]
    server_hostname: str | None
    allow_redirects: bool


class Said:
    """An answer, as much of aiohttp's as is read."""

    def __init__(self, status: int = 204, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        self.status = status
        self.headers = {name.lower(): value for name, value in (headers or {}).items()}
        self.body = body
        self.content = self

    async def read(self) -> bytes:
        return self.body

    async def iter_any(self) -> AsyncIterator[bytes]:
        yield self.body


class Client:
    """In the place of aiohttp's session."""

    def __init__(self, answer: Callable[[Asked], Said]) -> None:
        self._answer = answer

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    @asynccontextmanager
    async def request(self, method: str, url: URL, *, data: Any, headers: Mapping[str, str], **options: Any) -> Any:
        body = data if isinstance(data, bytes) else data.read()
        yield self._answer(Asked(method, url, body, {**headers, "content-length": str(len(body))}, **options))
