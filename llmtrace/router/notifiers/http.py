"""One HTTP attempt, shared by all notifiers that speak HTTP: whom it may reach, and what the answer means.

No redirect is followed, and neither address nor payload gets into a receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from typing import Final

import httpx

from llmtrace.router.model import Outcome, Receipt
from llmtrace.router.notifiers.address import is_public

# It writes whole URLs at INFO, and of some destinations the URL is the credential.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT: Final = 10.0
"""Seconds, for the whole attempt."""
SHORT: Final = 4_096
"""Bytes of an answer that nobody asks for."""
REST: Final = 0.5
"""Seconds that they may take after its head."""
LONGEST_WAIT: Final = timedelta(days=1)
"""A longer Retry-After counts as this."""

# They say that this message will never be taken. Anything else may be mended at the other end: it is tried again.
_FINAL: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.GONE,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be sent."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str]


Resolve = Callable[[str, int], Awaitable[list[str]]]


_Question = tuple[asyncio.AbstractEventLoop, str, int]
_asked: dict[_Question, asyncio.Task[list[str]]] = {}


async def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host, as the system knows them.

    Who asks while the same is being asked waits for that answer: each question holds a thread until the system gives
    up, which may take a minute, and a name that hangs must leave some to other names.

    Raises:
        OSError: there are none.
    """
    question = (asyncio.get_running_loop(), host, port)
    asking = _asked.get(question)
    if asking is None:
        asking = _asked[question] = asyncio.create_task(_addresses(host, port))
        asking.add_done_callback(partial(_answered, question))
    return await asyncio.shield(asking)


def _answered(question: _Question, asking: asyncio.Task[list[str]]) -> None:
    _asked.pop(question, None)
    if not asking.cancelled():
        asking.exception()  # whoever asked may have left by now; then nobody else looks at it


async def _addresses(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


async def post(
    client: httpx.AsyncClient,
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    now: datetime,
    *,
    allow_private: bool = False,
    resolve: Resolve = resolve,
) -> Receipt:
    """Send once. Whatever goes wrong is a receipt."""
    request = Request("POST", url, body, headers)
    receipt, _ = await exchange(client, request, now, allow_private=allow_private, resolve=resolve)
    return receipt


async def exchange(
    client: httpx.AsyncClient,
    asked: Request,
    now: datetime,
    *,
    allow_private: bool = False,
    resolve: Resolve = resolve,
    most: int = 0,
) -> tuple[Receipt, bytes]:
    """Send once; returns the receipt and at most ``most`` bytes of the answer. Whatever goes wrong is a receipt."""
    try:
        async with asyncio.timeout(TIMEOUT):
            # Unpacked by nobody, so that an answer of a few bytes cannot be a bomb.
            headers = {**asked.headers, "accept-encoding": "identity"}
            request = client.build_request(asked.method, asked.url, content=asked.body, headers=headers)
            if not allow_private and (refusal := await _pin(request, resolve)):
                return refusal, b""
            response = await client.send(request, stream=True, follow_redirects=False)
            try:
                answer = await _start_of(response, most) if most else await _end_of(response)
            finally:
                await response.aclose()  # its body may be endless
    except TimeoutError:
        return Receipt(Outcome.RETRY, f"no answer in {TIMEOUT:g} s"), b""
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        return Receipt(Outcome.RETRY, type(error).__name__), b""
    return read(response.status_code, response.headers.get("retry-after"), now), answer


async def _start_of(response: httpx.Response, most: int) -> bytes:
    answer = b""
    async for chunk in response.aiter_raw():
        answer += chunk
        if len(answer) >= most:
            break
    return answer[:most]


async def _end_of(response: httpx.Response) -> bytes:
    """Nobody asks for the answer; a short one is read to its end, so that the connection serves the next message."""
    length = response.headers.get("content-length", "")
    is_short = length.isascii() and length.isdecimal() and int(length[:9]) <= SHORT
    is_ended = is_short or response.status_code == HTTPStatus.NO_CONTENT
    if is_ended and not response.is_stream_consumed:
        with contextlib.suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(REST):
                async for _ in response.aiter_raw():
                    pass
    return b""


async def _pin(request: httpx.Request, resolve: Resolve) -> Receipt | None:
    """Check the host's addresses and connect to just the one that was checked: DNS may answer otherwise next time.

    Such a connection serves one request: the next one to this address may be for a host that is to prove another name.
    """
    host = request.url.host
    addresses = await resolve(host, request.url.port or 443)
    if not addresses or not all(is_public(address) for address in addresses):
        return Receipt(Outcome.RETRY, "the host has a private address; allow_private: true would allow it")
    request.extensions["sni_hostname"] = host
    request.headers["connection"] = "close"
    request.url = request.url.copy_with(host=addresses[0])
    return None


def read(status: int, retry_after: str | None, now: datetime) -> Receipt:
    """What an answer means."""
    detail = f"HTTP {status}"
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return Receipt(Outcome.DELIVERED, detail)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Receipt(Outcome.RETRY, f"{detail}: redirects are not followed")
    if status in _FINAL:
        return Receipt(Outcome.REFUSED, detail)
    return Receipt(Outcome.RETRY, detail, _wait(retry_after, now))


def _wait(retry_after: str | None, now: datetime) -> timedelta | None:
    """Seconds or a date; None where there is nothing that can be read."""
    text = (retry_after or "").strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), LONGEST_WAIT.total_seconds()))
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return None if at.tzinfo is None else min(max(at - now, timedelta(0)), LONGEST_WAIT)
