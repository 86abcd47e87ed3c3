"""The intakes: read a bounded body, check who sends it, have it decoded and committed, and answer only then.

Plain ASGI: a few thousand times a second Starlette's comfort is what a request would mostly cost.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final, TypeVar

from starlette.types import Receive, Scope, Send

from llmtrace.router.config import Links
from llmtrace.router.intake import otlp
from llmtrace.router.intake.body import decompress
from llmtrace.router.intake.gate import Gate, Seen
from llmtrace.router.intake.otlp import Encoding
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.model import Alert, Change
from llmtrace.router.ports import Clock, Inbox, StoreError
from llmtrace.router.web.body import GoneError, Room, read_body
from llmtrace.router.web.tally import Tally

SMALL_BODY: Final = 64 * 1024
"""Up to here decoding takes less time than handing it to a thread would save."""
MOST_DECODING: Final = 2
"""Large bodies decoded at once: each may be some 30 MB when decompressed."""
MOST_UNDECIDED: Final = 500_000
"""Accepted alerts that wait for their decision."""
RETRY_AFTER: Final = "5"

Reader = Callable[[bytes], Sequence[Alert]]
"""A body, decompressed, to alerts; raises RefusedError."""
Found = tuple[Sequence[Alert], Sequence[Change]]
Headers = Mapping[str, str]
T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """What every intake needs: where alerts go, the time, the count of what came, and room for large bodies."""

    inbox: Inbox
    clock: Clock
    undecided: Callable[[], int] = lambda: 0
    """How many accepted alerts wait for their decision."""
    tally: Tally = field(default_factory=Tally)
    room: Room = field(default_factory=Room)
    seen: defaultdict[str, Seen] = field(default_factory=lambda: defaultdict(OrderedDict))
    """By path, what gates remember."""
    heard: dict[str, datetime] = field(default_factory=dict)
    """By path, when something was last taken."""
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_DECODING))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender gets."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


class Intake:
    """One path that takes alerts. ``take`` and ``refuse`` speak the source's own protocol."""

    def __init__(
        self,
        path: str,
        door: Door,
        gate: Gate,
        take: Callable[[Headers, bytes], Awaitable[Answer]],
        refuse: Callable[[Headers, HTTPStatus, str], Answer],
    ) -> None:
        self.path = path
        self._door = door
        self._gate = gate
        self._take = take
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._answer(scope["method"], headers, receive)
        except GoneError:
            return
        self._door.tally.answered(self.path, answer.status)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            self._door.heard[self.path] = self._door.clock.now()
        await send({"type": "http.response.start", "status": answer.status, "headers": _head(answer)})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, method: str, headers: Headers, receive: Receive) -> Answer:
        if method != "POST":
            return self._refuse(headers, HTTPStatus.METHOD_NOT_ALLOWED, "only POST is allowed here")
        size = 0
        room = self._door.room
        try:
            self._check_backlog()
            self._gate.turn_away(headers)
            body = await read_body(receive, headers.get("content-length", ""), room)
            size = len(body)
            return await self._take(headers, body)
        except RefusedError as error:
            return self._refuse(headers, error.status, str(error))
        except StoreError as error:
            _log.error("alerts were not accepted: the store failed (%s)", error)
            return self._refuse(headers, HTTPStatus.SERVICE_UNAVAILABLE, _NOT_STORED)
        finally:
            room.give_back(size)

    def _check_backlog(self) -> None:
        """What waits stands on the disk, which must not fill: then the sender is asked to wait."""
        if self._door.undecided() >= MOST_UNDECIDED:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "too many alerts wait to be decided; try again")


def traces(door: Door, gate: Gate, links: Links) -> Intake:
    """``POST /v1/traces``: OTLP's answers, in the encoding of the request."""

    async def take(headers: Headers, body: bytes) -> Answer:
        encoding = otlp.encoding_of(headers.get("content-type", ""))
        now = door.clock.now()
        gate.admit(headers, body, now)
        compression = _content_encoding(headers)
        export = await _decoded(door, body, compression, lambda: otlp.read(body, encoding, compression, links, now))
        await door.inbox.accept(export.alerts)
        door.tally.accepted("/v1/traces", len(export.alerts))
        return Answer(HTTPStatus.OK, otlp.answer(export, encoding), encoding.value)

    return Intake("/v1/traces", door, gate, take, _otlp_refusal)


def metrics(door: Door, gate: Gate) -> Intake:
    """``POST /v1/metrics``: read and counted, and said to be no more than that: nothing watches metrics yet."""

    async def take(headers: Headers, body: bytes) -> Answer:
        encoding = otlp.encoding_of(headers.get("content-type", ""))
        gate.admit(headers, body, door.clock.now())
        compression = _content_encoding(headers)
        points = await _decoded(door, body, compression, lambda: otlp.count_points(body, encoding, compression))
        door.tally.unwatched(points)
        return Answer(HTTPStatus.OK, otlp.unwatched(points, encoding), encoding.value)

    return Intake("/v1/metrics", door, gate, take, _otlp_refusal)


def webhook(path: str, door: Door, gate: Gate, read: Reader, status: HTTPStatus = HTTPStatus.ACCEPTED) -> Intake:
    """A source that posts JSON: ``status`` after the commit, with the number of alerts."""

    async def take(headers: Headers, body: bytes) -> Answer:
        now = door.clock.now()
        identifier = gate.admit(headers, body, now)
        if gate.is_repetition(identifier):
            return Answer(status, b'{"accepted":0}')
        compression = _content_encoding(headers)
        alerts = await _decoded(door, body, compression, lambda: read(decompress(body, compression)))
        await door.inbox.accept(alerts)
        gate.remember(identifier, now)
        door.tally.accepted(path, len(alerts))
        return Answer(status, b'{"accepted":%d}' % len(alerts))

    return Intake(path, door, gate, take, _json_refusal)


def changes(
    path: str, door: Door, gate: Gate, read: Callable[[bytes], Found], keep: Callable[[Sequence[Change]], None]
) -> Intake:
    """A source that posts changes, and perhaps alerts: 202 after the commit, with the number of both."""

    async def take(headers: Headers, body: bytes) -> Answer:
        now = door.clock.now()
        identifier = gate.admit(headers, body, now)
        if gate.is_repetition(identifier):
            return Answer(HTTPStatus.ACCEPTED, b'{"accepted":0}')
        compression = _content_encoding(headers)
        alerts, made = await _decoded(door, body, compression, lambda: read(decompress(body, compression)))
        if alerts:
            await door.inbox.accept(alerts)
        if made:
            await asyncio.to_thread(keep, made)
        gate.remember(identifier, now)
        door.tally.accepted(path, len(alerts))
        return Answer(HTTPStatus.ACCEPTED, b'{"accepted":%d}' % (len(alerts) + len(made)))

    return Intake(path, door, gate, take, _json_refusal)


_NOT_STORED: Final = "the alerts could not be stored; try again"


async def _decoded(door: Door, body: bytes, compression: str, decode: Callable[[], T]) -> T:
    """At once where it is small, else in a thread, and never many large ones at a time."""
    if len(body) <= SMALL_BODY and not compression:
        return decode()
    async with door.decoding:
        return await asyncio.to_thread(decode)


def _content_encoding(headers: Headers) -> str:
    return headers.get("content-encoding", "").strip().lower()


def _head(answer: Answer) -> list[tuple[bytes, bytes]]:
    length = str(len(answer.body)).encode()
    return [(b"content-type", answer.content_type.encode()), (b"content-length", length), *answer.headers]


def _more(status: HTTPStatus) -> Sequence[tuple[bytes, bytes]]:
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return [(b"retry-after", RETRY_AFTER.encode())]
    if status is HTTPStatus.UNAUTHORIZED:
        return [(b"www-authenticate", b"Bearer")]
    return [(b"allow", b"POST")] if status is HTTPStatus.METHOD_NOT_ALLOWED else []


def _json_refusal(_headers: Headers, status: HTTPStatus, message: str) -> Answer:
    return Answer(status, json.dumps({"error": message}).encode(), headers=_more(status))


def _otlp_refusal(headers: Headers, status: HTTPStatus, message: str) -> Answer:
    try:
        encoding = otlp.encoding_of(headers.get("content-type", ""))
    except RefusedError:
        encoding = Encoding.JSON  # for who says none that we know
    return Answer(status, otlp.refusal(status, message, encoding), encoding.value, _more(status))
