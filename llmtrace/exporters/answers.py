"""What a backend's answer means for the spans that were sent: taken, later, too large, not these, not from us."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final

from llmtrace._connection import UnreachableError
from llmtrace._forks import importing

LONGEST_WAIT: Final = 24 * 3600.0
"""Seconds of a Retry-After that are believed: the age at which spans are given up."""

_SUCCESS: Final = range(200, 300)
_CONTENT: Final = frozenset({400, 422})
_TOO_LARGE: Final = 413
_LATER: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


class Outcome(Enum):
    """How one request ended."""

    TAKEN = "taken"
    LATER = "later"
    """Busy, broken or slow: the same request may succeed in a while."""
    BROKEN = "broken"
    """500: it failed at this request, perhaps at one of its spans."""
    NOBODY = "nobody"
    """The connection was refused: there is no use in waiting for the answer of nobody."""
    NO_ANSWER = "no answer"
    """The time for the request ran out."""
    CLOSED = "closed"
    """401, 403, 404, a redirect ...: no span's fault; nothing is taken until somebody changes something."""
    BAD = "bad"
    """One of the spans cannot be taken."""
    TOO_LARGE = "too large"


@dataclass(frozen=True, slots=True)
class Answer:
    """How one request ended, and what to say of it."""

    outcome: Outcome
    said: str = ""
    wait: float | None = None
    """Seconds that the backend asked us to wait."""
    rejected: int = 0
    """Spans that a successful answer says were not taken."""


def of_response(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Read an answer."""
    said = f"HTTP {status}"
    if status in _SUCCESS:
        return Answer(Outcome.TAKEN, rejected=_rejected(body))
    if status in _CONTENT:
        return Answer(Outcome.BAD, said)
    if status == _TOO_LARGE:
        return Answer(Outcome.TOO_LARGE, said)
    if status == _SERVER_ERROR:
        return Answer(Outcome.BROKEN, said, _retry_after(headers))
    if status in _LATER or status > _SERVER_ERROR:
        return Answer(Outcome.LATER, said, _retry_after(headers))
    return Answer(Outcome.CLOSED, said, _retry_after(headers))


def of_error(error: Exception) -> Answer:
    """Read a failure of the network: its kind only, as its text may repeat the address with credentials."""
    if isinstance(error, UnreachableError):
        return Answer(Outcome.NOBODY, type(error.__cause__ or error).__name__)
    return Answer(Outcome.NO_ANSWER if isinstance(error, TimeoutError) else Outcome.LATER, type(error).__name__)


def _rejected(body: bytes) -> int:
    """How many spans a successful answer says were not taken."""
    if not body:
        return 0
    with importing:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415 - most answers are empty
            ExportTraceServiceResponse,
        )
    response = ExportTraceServiceResponse()
    try:
        response.ParseFromString(body)
    except Exception:  # noqa: BLE001 - a backend that answers 2xx with something else has still taken the spans
        return 0
    return max(0, response.partial_success.rejected_spans)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from a Retry-After header, in either of its forms."""
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        seconds = _until(text)
    return min(LONGEST_WAIT, max(0.0, seconds)) if math.isfinite(seconds) else None


def _until(date: str) -> float:
    try:
        moment = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return math.nan
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()
