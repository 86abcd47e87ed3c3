"""What a sender gets: status, body and headers, and how they stand on the wire; a refusal in the sender's own form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from llmtrace.router.intake import otlp
from llmtrace.router.intake.otlp import Encoding
from llmtrace.router.intake.refusal import RefusedError

RETRY_AFTER: Final = "5"

Headers = Mapping[str, str]
"""Of a request; names in lower case."""
RawHeaders = Iterable[tuple[bytes, bytes]]

_STATUS_LINES: Final = {each: f"HTTP/1.1 {each.value} {each.phrase}\r\n".encode() for each in HTTPStatus}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to one request."""

    status: HTTPStatus
    body: bytes
    content_type: str = "application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def head(self) -> list[tuple[bytes, bytes]]:
        """All headers."""
        length = b"%d" % len(self.body)
        return [(b"content-type", self.content_type.encode()), (b"content-length", length), *self.headers]

    def wire(self, more: RawHeaders) -> bytes:
        """The whole answer, with more headers."""
        lines = [b"%b: %b\r\n" % each for each in (*more, *self.head)]
        return b"".join((_STATUS_LINES[self.status], *lines, b"\r\n", self.body))


def read_headers(raw: RawHeaders) -> Headers:
    """Of a request as ASGI has them."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in raw}


def json_refusal(_headers: Headers, status: HTTPStatus, message: str) -> Answer:
    """For who sends JSON."""
    return Answer(status, json.dumps({"error": message}).encode(), headers=_more(status))


def otlp_refusal(headers: Headers, status: HTTPStatus, message: str) -> Answer:
    """For who sends OTLP: in the encoding of the request."""
    try:
        encoding = otlp.encoding_of(headers.get("content-type", ""))
    except RefusedError:
        encoding = Encoding.JSON  # for who says none that we know
    return Answer(status, otlp.refusal(status, message, encoding), encoding.value, _more(status))


def _more(status: HTTPStatus) -> Sequence[tuple[bytes, bytes]]:
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        return [(b"retry-after", RETRY_AFTER.encode())]
    if status is HTTPStatus.UNAUTHORIZED:
        return [(b"www-authenticate", b"Bearer")]
    return [(b"allow", b"POST")] if status is HTTPStatus.METHOD_NOT_ALLOWED else []
