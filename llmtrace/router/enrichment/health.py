"""The state of what a service depends on: addresses that are asked together, and not again for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import httpx

FRESH: Final = 10.0
"""Seconds for which an answer holds: a flood of pages is no flood of questions."""
_LARGEST: Final = 64 * 1024
_LONGEST_WORDS: Final = 120


class Health:
    """``addresses``: name -> URL. Whoever asks while others wait gets the same answer."""

    def __init__(self, addresses: Mapping[str, str], client: httpx.AsyncClient) -> None:
        self._addresses = addresses
        self._client = client
        self._said: dict[str, str] = {}
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = float("-inf")

    async def look(self) -> str:
        """What each says, or that it does not answer; cancelled, it goes on for the next one who asks."""
        if self._asking is None and monotonic() - self._asked_at > FRESH:
            self._said = dict.fromkeys(self._addresses, "no answer")
            self._asking = asyncio.create_task(self._ask_all())
        if self._asking is not None:
            await asyncio.shield(self._asking)
        return "; ".join(f"{name}: {words}" for name, words in self._said.items())

    async def _ask_all(self) -> None:
        try:
            await asyncio.gather(*(self._ask(name, url) for name, url in self._addresses.items()))
        finally:
            self._asking, self._asked_at = None, monotonic()

    async def _ask(self, name: str, url: str) -> None:
        began = monotonic()
        try:
            async with asyncio.timeout(FRESH), self._client.stream("GET", url, timeout=FRESH) as answer:
                body = b""
                async for part in answer.aiter_bytes():
                    body += part
                    if len(body) > _LARGEST:
                        break
            took = int((monotonic() - began) * 1000)
            self._said[name] = _words(answer, body, took)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            self._said[name] = f"no answer ({type(error).__name__})"


def _words(answer: httpx.Response, body: bytes, took: int) -> str:
    """A status page says in JSON how it is; of all others the status counts."""
    state = "ok" if answer.is_success else f"HTTP {answer.status_code}"
    if answer.status_code == HTTPStatus.OK and "json" in answer.headers.get("content-type", ""):
        state = _described(body) or state
    return f"{state} ({took} ms)"


def _described(body: bytes) -> str:
    try:
        said: Any = httpx.Response(HTTPStatus.OK, content=body).json()
    except ValueError:
        return ""
    status = said.get("status") if isinstance(said, dict) else None
    words = status.get("description") if isinstance(status, dict) else status
    return "".join(each for each in str(words or "") if each.isprintable())[:_LONGEST_WORDS]
