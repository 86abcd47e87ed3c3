"""Reading a request's body: bounded in size, in time, and in what all requests together may hold in memory."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Final

from starlette.types import Message, Receive

from llmtrace.router.intake.refusal import RefusedError

LARGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes on the wire."""
LARGEST_SUM: Final = 64 * 1024 * 1024
"""Bytes of all bodies that are being read or decoded."""
SLOWEST: Final = 20.0
"""Seconds that a body may take to arrive."""


class GoneError(Exception):
    """The other end went away while it was sending."""


class Room:
    """How many bytes of bodies are in memory now. Of one event loop."""

    def __init__(self, most: int = LARGEST_SUM) -> None:
        self._most = most
        self.used = 0

    def take(self, size: int) -> None:
        """Some more bytes.

        Raises:
            RefusedError: 503, where there is no room for them.
        """
        if self.used + size > self._most:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many large requests at once; try again")
        self.used += size

    def give_back(self, size: int) -> None:
        """They are gone."""
        self.used -= size


async def read_body(receive: Receive, length: str = "", room: Room | None = None) -> bytes:
    """The whole body, never more of it than is allowed, whatever its length header says.

    Its bytes stay counted in ``room`` until the caller gives them back, unless this raises.

    Raises:
        RefusedError: 408, 413 or 503.
        GoneError: the other end went away.
    """
    if length.isdecimal() and int(length[:12]) > LARGEST_BODY:
        raise _too_large()
    held = _Held(room or Room())
    try:
        async with asyncio.timeout(SLOWEST):
            while held.add(await _next(receive)):
                pass
    except TimeoutError as error:
        held.let_go()
        raise RefusedError(HTTPStatus.REQUEST_TIMEOUT, f"the body did not come within {SLOWEST:g} s") from error
    except BaseException:
        held.let_go()
        raise
    return b"".join(held.chunks)


class _Held:
    """What has come of a body."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._size = 0
        self.chunks: list[bytes] = []

    def add(self, message: Message) -> bool:
        """Keep it; whether there is more to come."""
        chunk = message.get("body", b"")
        if self._size + len(chunk) > LARGEST_BODY:
            raise _too_large()
        self._room.take(len(chunk))
        self._size += len(chunk)
        self.chunks.append(chunk)
        return bool(message.get("more_body", False))

    def let_go(self) -> None:
        self._room.give_back(self._size)


async def _next(receive: Receive) -> Message:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    return message


def _too_large() -> RefusedError:
    return RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {LARGEST_BODY} bytes")
