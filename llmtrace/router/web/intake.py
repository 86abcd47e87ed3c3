"""The intakes: read a bounded body, check who sends it, have it decoded and committed, and answer only then.

Plain ASGI: a few thousand times a second Starlette's comfort is what a request would mostly cost. An ordinary request,
which is small, whole and let in by its token, has a way that is shorter still (``at_once``): no task waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

from starlette.types import Receive, Scope, Send

from llmtrace.router.config import Links
from llmtrace.router.intake import otlp
from llmtrace.router.intake.body import decompress
from llmtrace.router.intake.gate import Gate, Seen
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.model import Alert, Change
from llmtrace.router.ports import Clock, Inbox, StoreError
from llmtrace.router.web.answer import Answer, Headers, json_refusal, otlp_refusal, read_headers
from llmtrace.router.web.body import GoneError, Room, read_body
from llmtrace.router.web.tally import Tally

SMALL_BODY: Final = 64 * 1024
"""Up to here decoding takes less time than handing it to a thread would save."""
MOST_DECODING: Final = 2
"""Large bodies decoded at once: each may be some 30 MB when decompressed."""
MOST_UNDECIDED: Final = 500_000
"""Accepted alerts that wait for their decision."""

SAID_AGAIN: Final = timedelta(minutes=1)
"""What a path refuses is said no more often."""

Reader = Callable[[bytes], Sequence[Alert]]
"""A body, decompressed, to alerts; raises RefusedError."""
Found = tuple[Sequence[Alert], Sequence[Change]]

_NOT_STORED: Final = "the alerts could not be stored; try again"
_FULL: Final = "too many alerts wait to be decided; try again"

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
    said: dict[str, datetime] = field(default_factory=dict)
    """By path, when it was last said that something was refused."""
    decoding: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(MOST_DECODING))


@dataclass(frozen=True, slots=True)
class Taken:
    """What a body came to: what is to be committed, and the answer once it is."""

    answer: Answer
    alerts: Sequence[Alert] = ()
    changes: Sequence[Change] = ()
    points: int = 0
    """Of metrics, which nothing watches."""


Take = Callable[[Headers, bytes], Taken]
"""Headers and body to what is in them; raises RefusedError. Of an empty body it may be asked too."""


class Intake:
    """One path that takes alerts. ``take`` and ``refuse`` speak the source's own protocol.

    ``repeated`` is the answer to a signed request that was taken before. ``keep`` writes changes; it blocks.
    """

    def __init__(
        self,
        path: str,
        door: Door,
        gate: Gate,
        take: Take,
        refuse: Callable[[Headers, HTTPStatus, str], Answer],
        repeated: Callable[[Headers], Answer],
        keep: Callable[[Sequence[Change]], None] | None = None,
    ) -> None:
        self.path = path
        self._door = door
        self._gate = gate
        self._take = take
        self._refuse = refuse
        self._repeated = repeated
        self._keep = keep

    def at_once(self, headers: Headers, body: bytes, then: Callable[[Answer], None]) -> bool:
        """Take an ordinary POST; ``then`` gets the answer after the commit. False, and nothing is done, where not."""
        if len(body) > SMALL_BODY or _content_encoding(headers) or not self._gate.opens(headers) or self._is_full:
            return False
        try:
            taken = self._take(headers, body)
        except RefusedError:
            return False
        if taken.changes:
            return False

        def committed(error: StoreError | None) -> None:
            then(self._noted(self._taken(taken) if error is None else self._failed(headers, error)))

        self._door.inbox.put(taken.alerts, committed)
        return True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        headers = read_headers(scope["headers"])
        try:
            answer = self._noted(await self._answer(scope["method"], headers, receive))
        except GoneError:
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.head})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, method: str, headers: Headers, receive: Receive) -> Answer:
        if method != "POST":
            return self._refuse(headers, HTTPStatus.METHOD_NOT_ALLOWED, "only POST is allowed here")
        if self._is_full:
            return self._refuse(headers, HTTPStatus.SERVICE_UNAVAILABLE, _FULL)
        size = 0
        room = self._door.room
        try:
            self._gate.turn_away(headers)
            body = await read_body(receive, headers.get("content-length", ""), room)
            size = len(body)
            return await self._accepted(headers, body)
        except RefusedError as error:
            self._say(error)
            return self._refuse(headers, error.status, str(error))
        except StoreError as error:
            return self._failed(headers, error)
        finally:
            room.give_back(size)

    def _say(self, error: RefusedError) -> None:
        """What a sender is told is often read by nobody there: said here too, not more often than now and then."""
        now, last = self._door.clock.now(), self._door.said.get(self.path)
        if last is not None and abs(now - last) < SAID_AGAIN:
            return
        self._door.said[self.path] = now
        _log.warning("%s: refused with %d: %s", self.path, error.status, error)

    async def _accepted(self, headers: Headers, body: bytes) -> Answer:
        now = self._door.clock.now()
        identifier = self._gate.admit(headers, body, now)
        if self._gate.is_repetition(identifier):
            return self._repeated(headers)
        taken = await self._decoded(headers, body)
        if taken.alerts:
            await self._door.inbox.accept(taken.alerts)
        if taken.changes and self._keep is not None:
            await asyncio.to_thread(self._keep, taken.changes)
        self._gate.remember(identifier, now)
        return self._taken(taken)

    async def _decoded(self, headers: Headers, body: bytes) -> Taken:
        """At once where it is small, else in a thread, and never many large ones at a time."""
        if len(body) <= SMALL_BODY and not _content_encoding(headers):
            return self._take(headers, body)
        async with self._door.decoding:
            return await asyncio.to_thread(self._take, headers, body)

    @property
    def _is_full(self) -> bool:
        """What waits stands on the disk, which must not fill: then the sender is asked to wait."""
        return self._door.undecided() >= MOST_UNDECIDED

    def _taken(self, taken: Taken) -> Answer:
        self._door.tally.accepted(self.path, len(taken.alerts))
        self._door.tally.unwatched(taken.points)
        return taken.answer

    def _failed(self, headers: Headers, error: StoreError) -> Answer:
        _log.error("alerts were not accepted: the store failed (%s)", error)
        return self._refuse(headers, HTTPStatus.SERVICE_UNAVAILABLE, _NOT_STORED)

    def _noted(self, answer: Answer) -> Answer:
        self._door.tally.answered(self.path, answer.status)
        if answer.status < HTTPStatus.MULTIPLE_CHOICES:
            self._door.heard[self.path] = self._door.clock.now()
        return answer


def traces(door: Door, gate: Gate, links: Links) -> Intake:
    """``POST /v1/traces``: OTLP's answers, in the encoding of the request."""

    def take(headers: Headers, body: bytes) -> Taken:
        encoding = otlp.encoding_of(headers.get("content-type", ""))
        export = otlp.read(body, encoding, _content_encoding(headers), links, door.clock.now())
        return Taken(Answer(HTTPStatus.OK, otlp.answer(export, encoding), encoding.value), export.alerts)

    return Intake("/v1/traces", door, gate, take, otlp_refusal, _empty_export)


def metrics(door: Door, gate: Gate) -> Intake:
    """``POST /v1/metrics``: read and counted, and said to be no more than that: nothing watches metrics yet."""

    def take(headers: Headers, body: bytes) -> Taken:
        encoding = otlp.encoding_of(headers.get("content-type", ""))
        points = otlp.count_points(body, encoding, _content_encoding(headers))
        return Taken(Answer(HTTPStatus.OK, otlp.unwatched(points, encoding), encoding.value), points=points)

    return Intake("/v1/metrics", door, gate, take, otlp_refusal, _empty_export)


def webhook(path: str, door: Door, gate: Gate, read: Reader, status: HTTPStatus = HTTPStatus.ACCEPTED) -> Intake:
    """A source that posts JSON: ``status`` after the commit, with the number of alerts."""

    def take(headers: Headers, body: bytes) -> Taken:
        alerts = read(decompress(body, _content_encoding(headers)))
        return Taken(_count(status, len(alerts)), alerts)

    return Intake(path, door, gate, take, json_refusal, lambda _headers: _count(status, 0))


def changes(
    path: str, door: Door, gate: Gate, read: Callable[[bytes], Found], keep: Callable[[Sequence[Change]], None]
) -> Intake:
    """A source that posts changes, and perhaps alerts: 202 after the commit, with the number of both."""

    def take(headers: Headers, body: bytes) -> Taken:
        alerts, made = read(decompress(body, _content_encoding(headers)))
        return Taken(_count(HTTPStatus.ACCEPTED, len(alerts) + len(made)), alerts, made)

    return Intake(path, door, gate, take, json_refusal, lambda _headers: _count(HTTPStatus.ACCEPTED, 0), keep)


def _count(status: HTTPStatus, accepted: int) -> Answer:
    return Answer(status, b'{"accepted":%d}' % accepted)


def _empty_export(headers: Headers) -> Answer:
    encoding = otlp.encoding_of(headers.get("content-type", ""))
    return Answer(HTTPStatus.OK, otlp.answer(otlp.Export(()), encoding), encoding.value)


def _content_encoding(headers: Headers) -> str:
    return headers.get("content-encoding", "").strip().lower()
