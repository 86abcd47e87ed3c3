"""Requests read in one look: what is read means the same to a parser, and whatever is not plain is left to it."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmtrace.router.web.whole import LONGEST, read

PLAIN = b"POST /api/v2/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"


class Parsed:
    """What the parser makes of it."""

    def __init__(self, data: bytes) -> None:
        self.headers: dict[str, str] = {}
        self.body = self.url = b""
        self.complete = 0
        httptools.HttpRequestParser(self).feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete += 1


words = st.text("abcXYZ019-: \t,;/+=\"'\u00e9", max_size=12)
lines = st.builds(lambda name, space, value: f"{name}:{space}{value}", words, st.sampled_from(["", " ", "  "]), words)


@given(more=st.lists(lines, max_size=3), body=st.binary(max_size=4), length=st.integers(0, 4), end=st.booleans())
def test_what_is_read_means_the_same_to_a_parser(more, body, length, end):
    """One whole request, the same path, headers and body."""
    head = ["POST /ingest/generic HTTP/1.1", "Host: a", f"Content-Length: {length}", *more]
    data = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" * end + body
    whole = read(data)
    if whole is not None:
        parsed = Parsed(data)
        assert (parsed.complete, parsed.url.decode(), parsed.body) == (1, whole.path, whole.body)
        assert parsed.headers == whole.headers


def test_a_plain_request_is_read():
    """Path, headers by their names in lower case, body."""
    whole = read(PLAIN + b"Authorization: Bearer x y\r\n\r\n[]")
    assert (whole.path, whole.body) == ("/api/v2/alerts", b"[]")
    assert whole.headers == {"host": "127.0.0.1", "content-length": "2", "authorization": "Bearer x y"}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN,
        PLAIN.replace(b": 2", b": 0").rstrip(),
        PLAIN + b"\r\n[",
        PLAIN + b"\r\n[]POST / HTTP/1.1\r\n",
        PLAIN + b"Content-Length: 2\r\n\r\n[]",
        PLAIN + b"Transfer-Encoding: chunked\r\n\r\n[]",
        PLAIN + b"Expect: 100-continue\r\n\r\n[]",
        PLAIN + b"Connection: close\r\n\r\n[]",
        PLAIN + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n[]",
        PLAIN + b"X: a\r\n b\r\n\r\n[]",
        PLAIN + b"X : a\r\n\r\n[]",
        PLAIN + b"X: a\x00\r\n\r\n[]",
        PLAIN + b"X: a\nY: b\r\n\r\n[]",
        PLAIN + b"X\r\n\r\n[]",
        PLAIN.replace(b"1.1\r", b"1.0\r") + b"\r\n[]",
        PLAIN.replace(b"alerts", b"alerts?x=1") + b"\r\n[]",
        PLAIN.replace(b"alerts", b"%61lerts") + b"\r\n[]",
        PLAIN.replace(b"POST", b"PUT") + b"\r\n[]",
        PLAIN.replace(b": 2", b": +2") + b"\r\n[]",
        PLAIN.replace(b": 2", b": 02, 2") + b"\r\n[]",
        PLAIN.replace(b"Host", b"Hose") + b"\r\n[]",
        PLAIN.replace(b": 2", b": %d" % LONGEST) + b"\r\n" + bytes(LONGEST),
        PLAIN + b"X: " + b"y" * 5_000 + b"\r\n\r\n[]",
    ],
)
def test_what_is_not_plain_is_left_to_the_parser(data):
    """Half of a request, two of them, other forms, doubtful lines."""
    assert read(data) is None
