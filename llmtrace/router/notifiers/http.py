"""One HTTP attempt, shared by all notifiers that speak HTTP: whom it may reach, and what the answer means.

No redirect is followed, and neither address nor payload gets into a receipt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Final, NamedTuple

import aiohttp
import certifi
from yarl import URL

from llmtrace.router.model import Outcome, Receipt
from llmtrace.router.notifiers.address import is_public

TIMEOUT: Final = 10.0
"""Seconds, for the whole attempt."""
SHORT: Final = 4_096
"""Bytes of an answer that nobody asks for."""
REST: Final = 0.5
"""Seconds that they may take after its head."""
KEPT_FOR: Final = 2.0
"""Seconds for which a connection waits for the next message; sooner than destinations give idle ones up."""
_MUCH: Final = 2**19
"""Bytes; more than this is sent in parts, so that the event loop gets its turn."""
_SENDABLE: Final = re.compile("[!-~]+")
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


class _Called(NamedTuple):
    """Where a request goes: with the name that the other end has to prove, if it is not the URL's."""

    url: URL
    headers: Mapping[str, str]
    name: str | None = None


class _PrivateError(Exception):
    """The host has an address that is not public."""


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


def open_client(trust: ssl.SSLContext | None = None) -> aiohttp.ClientSession:
    """Connections to whom the router calls. To be made and used in one event loop, and closed.

    Nothing of an answer is unpacked: one of a few bytes cannot be a bomb.

    Args:
        trust: whom https believes; without it those in `SSL_CERT_FILE`, else Mozilla's.
    """
    trust = trust or ssl.create_default_context(cafile=os.environ.get("SSL_CERT_FILE") or certifi.where())
    return aiohttp.ClientSession(
        # Those in use have no common bound: who hangs must take none from others.
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEPT_FOR, ssl=trust),
        timeout=aiohttp.ClientTimeout(),  # who asks sets the limit for all of it
        headers={"accept-encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    )


async def post(
    client: aiohttp.ClientSession,
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
    client: aiohttp.ClientSession,
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
            called = _Called(_url(asked.url), asked.headers)
            if not allow_private:
                called = await _pinned(called, resolve)
            async with client.request(
                asked.method,
                called.url,
                data=BytesIO(asked.body) if len(asked.body) > _MUCH else asked.body,
                headers=called.headers,
                server_hostname=called.name,
                allow_redirects=False,
            ) as response:  # closed before its body ends, which may be never
                answer = await _start_of(response, most) if most else await _end_of(response)
    except _PrivateError:
        return Receipt(Outcome.RETRY, "the host has a private address; allow_private: true would allow it"), b""
    except TimeoutError:
        return Receipt(Outcome.RETRY, f"no answer in {TIMEOUT:g} s"), b""
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return Receipt(Outcome.RETRY, type(error).__name__), b""
    return read(response.status, response.headers.get("retry-after"), now), answer


def _url(text: str) -> URL:
    """As it was written, to the letter: it may be signed. Only what cannot be sent so is put in other letters."""
    return URL(text, encoded=_SENDABLE.fullmatch(text) is not None)


async def _start_of(response: aiohttp.ClientResponse, most: int) -> bytes:
    answer = b""
    async for chunk in response.content.iter_any():
        answer += chunk
        if len(answer) >= most:
            break
    return answer[:most]


async def _end_of(response: aiohttp.ClientResponse) -> bytes:
    """Nobody asks for the answer; a short one is read to its end, so that the connection serves the next message."""
    length = response.headers.get("content-length", "")
    if length.isascii() and length.isdecimal() and int(length[:9]) <= SHORT:
        with contextlib.suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(REST):
                await response.read()
    return b""


async def _pinned(called: _Called, resolve: Resolve) -> _Called:
    """Check the host's addresses and connect to just the one that was checked: DNS may answer otherwise next time.

    Such a connection serves one request: the next one to this address may be for a host that is to prove another name.
    """
    name = called.url.raw_host or ""
    addresses = await resolve(name, called.url.port or 443)
    if not addresses or not all(is_public(address) for address in addresses):
        raise _PrivateError
    headers = {**called.headers, "host": called.url.host_port_subcomponent or name, "connection": "close"}
    return _Called(called.url.with_host(addresses[0]), headers, name)


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
