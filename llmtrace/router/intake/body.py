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
_GZIP_MAGIC: Final = b"\x1f\x8b\x08"
_MOST_STREAMS: Final = 1_000
_NOT_WHOLE: Final = "the body is not one whole gzip stream"


def decompress(body: bytes, content_encoding: str) -> bytes:
    """The body as it was before the content encoding.

    Raises:
        RefusedError: 400, 413 or 415.
    """
    # Whoever lists encodings has applied them in this order; doing nothing is no step.
    steps = [each for each in map(str.strip, content_encoding.split(",")) if each not in ("", "identity")]
    if not steps:
        if body.startswith(_GZIP_MAGIC):  # neither JSON nor a message of OTLP begins so
            raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body is gzip: say so by content-encoding: gzip")
        return body
    if steps not in (["gzip"], ["x-gzip"]):
        raise RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content-encoding must be gzip or identity")
    return _unzipped(body)


def _unzipped(body: bytes) -> bytes:
    """Of one gzip stream, or of several behind each other, as its format allows."""
    found: list[bytes] = []
    size = 0
    while body or not found:
        stream = zlib.decompressobj(_GZIP)
        try:
            found.append(stream.decompress(body, LARGEST_DECOMPRESSED - size + 1))
        except zlib.error as error:
            raise RefusedError(HTTPStatus.BAD_REQUEST, _NOT_WHOLE if found else "the body is not gzip") from error
        size += len(found[-1])
        if size > LARGEST_DECOMPRESSED:
            problem = f"the body is larger than {LARGEST_DECOMPRESSED} bytes when decompressed"
            raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem)
        if not stream.eof or len(found) > _MOST_STREAMS:
            raise RefusedError(HTTPStatus.BAD_REQUEST, _NOT_WHOLE)
        body = stream.unused_data
    return found[0] if len(found) == 1 else b"".join(found)


def read_json(body: bytes) -> Any:
    """Parse JSON; what no JSON has (NaN, endless nesting, numbers without end) is refused.

    Raises:
        RefusedError: 400.
    """
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        problem = f"the body is not JSON that can be read{_why(error)}"
        raise RefusedError(HTTPStatus.BAD_REQUEST, problem) from error


def bounded(alerts: list[Any]) -> list[Any]:
    """The same list, unless it is too long.

    Raises:
        RefusedError: 413.
    """
    if len(alerts) > MOST_ALERTS:
        raise RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {MOST_ALERTS} alerts in one request")
    return alerts


def _no_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def broken_at(error: json.JSONDecodeError) -> str:
    """Where a text is no JSON, as the end of a sentence."""
    return f": {error.msg} at line {error.lineno}, column {error.colno}"


class _ConstantError(ValueError):
    """A word for a number that no JSON has."""


def _why(error: Exception) -> str:
    """What is wrong, and where; nothing of what stands there."""
    if isinstance(error, _ConstantError):
        return f": {error} is no number in JSON, null is"
    if isinstance(error, json.JSONDecodeError):
        return broken_at(error)
    return ": it is not UTF-8" if isinstance(error, UnicodeDecodeError) else ""
