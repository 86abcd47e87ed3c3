"""The intakes: read a bounded body, check who sends it, have it decoded and committed, and answer only then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from llmtrace.router.config import Links
from llmtrace.router.intake import otlp
from llmtrace.router.intake.body import decompress
from llmtrace.router.intake.gate import Gate
from llmtrace.router.intake.otlp import Encoding
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.model import Alert
from llmtrace.router.ports import Clock, Inbox, StoreError

LARGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes on the wire."""
SMALL_BODY: Final = 64 * 1024
"""Up to here decoding takes less time than handing it to a thread would save."""
RETRY_AFTER: Final = "5"

Endpoint = Callable[[Request], Awaitable[Response]]
Reader = Callable[[bytes], Sequence[Alert]]
"""A body, decompressed, to alerts; raises RefusedError."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """What every intake needs: where alerts go, and the time."""

    inbox: Inbox
    clock: Clock


def traces(door: Door, gate: Gate, links: Links) -> Endpoint:
    """``POST /v1/traces``: OTLP's answers, in the encoding of the request."""

    async def endpoint(request: Request) -> Response:
        encoding = Encoding.JSON  # for who says none that we know
        try:
            encoding = otlp.encoding_of(request.headers.get("content-type", ""))
            body = await read_body(request)
            gate.admit(request.headers, body, door.clock.now())
            export = await _export(body, encoding, _content_encoding(request.headers))
            await door.inbox.accept(export.alerts)
        except RefusedError as error:
            return _refusal(error.status, str(error), encoding)
        except StoreError as error:
            _tell(error)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, _NOT_STORED, encoding)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return Response(otlp.answer(export, encoding), media_type=encoding.value)

    async def _export(body: bytes, encoding: Encoding, content_encoding: str) -> otlp.Export:
        arguments = (body, encoding, content_encoding, links, door.clock.now())
        if len(body) <= SMALL_BODY and not content_encoding:
            return otlp.read(*arguments)
        return await asyncio.to_thread(otlp.read, *arguments)

    return endpoint


def webhook(door: Door, gate: Gate, read: Reader, status: HTTPStatus = HTTPStatus.ACCEPTED) -> Endpoint:
    """A source that posts JSON: ``status`` after the commit, with the number of alerts."""

    async def endpoint(request: Request) -> Response:
        try:
            count = await _take(request)
        except RefusedError as error:
            headers = {"www-authenticate": "Bearer"} if error.status is HTTPStatus.UNAUTHORIZED else None
            return JSONResponse({"error": str(error)}, error.status, headers)
        except StoreError as error:
            _tell(error)
            headers = {"retry-after": RETRY_AFTER}
            return JSONResponse({"error": _NOT_STORED}, HTTPStatus.SERVICE_UNAVAILABLE, headers)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return JSONResponse({"accepted": count}, status)

    async def _take(request: Request) -> int:
        body = await read_body(request)
        identifier = gate.admit(request.headers, body, door.clock.now())
        if gate.is_repetition(identifier):
            return 0
        encoding = _content_encoding(request.headers)
        if len(body) <= SMALL_BODY and not encoding:
            alerts = read(body)
        else:
            alerts = await asyncio.to_thread(lambda: read(decompress(body, encoding)))
        await door.inbox.accept(alerts)
        gate.remember(identifier, door.clock.now())
        return len(alerts)

    return endpoint


_NOT_STORED: Final = "the alerts could not be stored; try again"


def _content_encoding(headers: Mapping[str, str]) -> str:
    return headers.get("content-encoding", "").strip().lower()


async def read_body(request: Request) -> bytes:
    """The whole body, never more of it than is allowed, whatever its length header says.

    Raises:
        RefusedError: 413.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {LARGEST_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _tell(error: StoreError) -> None:
    _log.error("alerts were not accepted: the store failed (%s)", error)


def _refusal(status: HTTPStatus, message: str, encoding: Encoding) -> Response:
    headers = {"retry-after": RETRY_AFTER} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return Response(otlp.refusal(status, message, encoding), status, headers, encoding.value)
