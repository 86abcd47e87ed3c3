"""``POST /v1/traces``: reads a bounded body, has it decoded and committed, and answers only then."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from llmtrace.router.config import Links
from llmtrace.router.intake import otlp
from llmtrace.router.intake.otlp import Encoding, RefusedError
from llmtrace.router.ports import Clock, Inbox, StoreError

LARGEST_BODY: Final = 8 * 1024 * 1024
"""Bytes on the wire."""
SMALL_BODY: Final = 64 * 1024
"""Up to here decoding takes less time than handing it to a thread would save."""
RETRY_AFTER: Final = "5"

_log = logging.getLogger(__name__)


def traces(inbox: Inbox, links: Links, clock: Clock) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint."""

    async def endpoint(request: Request) -> Response:
        encoding = Encoding.JSON  # for who says none that we know
        try:
            encoding = otlp.encoding_of(request.headers.get("content-type", ""))
            export = await _export(await _body(request), encoding, request.headers.get("content-encoding", ""))
            await inbox.accept(export.alerts)
        except RefusedError as error:
            return _refusal(error.status, str(error), encoding)
        except StoreError as error:
            _log.error("alerts were not accepted: the store failed (%s)", error)
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "the alerts could not be stored; try again", encoding)
        except ClientDisconnect:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return Response(otlp.answer(export, encoding), media_type=encoding.value)

    async def _export(body: bytes, encoding: Encoding, content_encoding: str) -> otlp.Export:
        arguments = (body, encoding, content_encoding.strip().lower(), links, clock.now())
        if len(body) <= SMALL_BODY and not content_encoding:
            return otlp.read(*arguments)
        return await asyncio.to_thread(otlp.read, *arguments)

    return endpoint


async def _body(request: Request) -> bytes:
    """The whole body, never more of it than is allowed, whatever its length header says."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > LARGEST_BODY:
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {LARGEST_BODY} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _refusal(status: HTTPStatus, message: str, encoding: Encoding) -> Response:
    headers = {"retry-after": RETRY_AFTER} if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return Response(otlp.refusal(status, message, encoding), status, headers, encoding.value)
