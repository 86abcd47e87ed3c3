"""The state of what a service depends on: addresses that are asked together, and not again for a while."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from typing import Any, Final

import aiohttp

FRESH: Final = 10.0
"""Seconds for which an answer holds: a flood of pages is no flood of questions."""
_SUCCESS: Final = 2
_LARGEST: Final = 64 * 1024
_LONGEST_WORDS: Final = 120


class Health:
    """``addresses``: name -> URL. Whoever asks while others wait gets the same answer."""

    def __init__(self, addresses: Mapping[str, str], client: aiohttp.ClientSession) -> None:
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
            async with asyncio.timeout(FRESH), self._client.get(url, allow_redirects=False) as answer:
                body = b""
                async for part in answer.content.iter_any():
                    body += part
                    if len(body) > _LARGEST:
                        break
            took = int((monotonic() - began) * 1000)
            self._said[name] = _words(answer, body, took)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self._said[name] = f"no answer ({type(error).__name__})"


def _words(answer: aiohttp.ClientResponse, body: bytes, took: int) -> str:
    """A status page says in JSON how it is; of all others the status counts."""
    state = "ok" if answer.status // 100 == _SUCCESS else f"HTTP {answer.status}"
    if answer.status == HTTPStatus.OK and "json" in answer.headers.get("content-type", ""):
        state = _described(body) or state
    return f"{state} ({took} ms)"


def _described(body: bytes) -> str:
    try:
        said: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    status = said.get("status") if isinstance(said, dict) else None
    words = status.get("description") if isinstance(status, dict) else status
    return "".join(each for each in str(words or "") if each.isprintable())[:_LONGEST_WORDS]
