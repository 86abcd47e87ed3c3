"""A request's body: decompressed within bounds, and read as JSON without surprises."""

from __future__ import annotations

import json
import zlib
from http import HTTPStatus
from typing import Any, Final, NoReturn

from llmtrace.router.intake.refusal import RefusedError

LARGEST_DECOMPRESSED: Final = 32 * 1024 * 1024
"""Bytes; what gzip may blow a body up to."""
MOST_ALERTS: Final = 10_000
"""In one request."""

_GZIP: Final = 16 + zlib.MAX_WBITS


def decompress(body: bytes, content_encoding: str) -> bytes:
    """The body as it was before the content encoding.

    Raises:
        RefusedError: 400, 413 or 415.
    """
    if content_encoding in ("", "identity"):
        return body
    if content_encoding != "gzip":
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-encoding must be gzip or identity")
    stream = zlib.decompressobj(_GZIP)
    try:
        text = stream.decompress(body, LARGEST_DECOMPRESSED)
    except zlib.error as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not gzip") from error
    if len(text) == LARGEST_DECOMPRESSED and not stream.eof:
        problem = f"the body is larger than {LARGEST_DECOMPRESSED} bytes when decompressed"
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
    if not stream.eof or stream.unused_data:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not one whole gzip stream")
    return text


def read_json(body: bytes) -> Any:
    """Parse JSON; what no JSON has (NaN, endless nesting, numbers without end) is refused.

    Raises:
        RefusedError: 400.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError(HTTPStatus.BAD_REQUEST, "the body is not JSON that can be read") from error


def bounded(alerts: list[Any]) -> list[Any]:
    """The same list, unless it is too long.

    Raises:
        RefusedError: 413.
    """
    if len(alerts) > MOST_ALERTS:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_ALERTS} alerts in one request")
    return alerts


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
