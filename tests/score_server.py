"""A loopback server that takes spans and annotations as Phoenix does: an annotation of an unknown target is a 404."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from loopback import Handler, serving

ROOT = "f" * 16
"""The root of every trace that is known."""


@dataclass(slots=True)
class ScoreServer:
    """A running server.

    Attributes:
        url: its base URL.
        known: the ids, of traces and spans, that have arrived.
        annotations: what was taken, by path.
        asked: how many annotations were posted.
        status: answered instead, where set.
    """

    url: str
    known: set[str] = field(default_factory=set)
    annotations: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    asked: int = 0
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, path: str, body: bytes) -> int:
        """Take a request; the HTTP status."""
        if path == "/v1/traces":
            return 200
        self.asked += 1
        (given,) = json.loads(body)["data"]
        if self.status is not None:
            return self.status
        if given.get("span_id") != ROOT and not {given.get("trace_id"), given.get("span_id")} & self.known:
            return 404
        self.annotations.append((path, given))
        return 200


def score_server() -> AbstractContextManager[ScoreServer]:
    """Run one as long as the block lasts."""
    return serving(_Handler, ScoreServer)


class _Handler(Handler):
    """Answers as the test has told."""

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        server: ScoreServer = self.told
        trace_id = parse_qs(self.path.partition("?")[2])["trace_id"][0]
        found = [{"context": {"span_id": ROOT}}] if trace_id in server.known else []
        self._say(200, json.dumps({"data": found, "next_cursor": None}).encode())

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        server: ScoreServer = self.told
        body = self.body()
        server.headers = self.sent_headers()
        status = server.answer(self.path.partition("?")[0], body)
        self._say(status, b"")

    def _say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
