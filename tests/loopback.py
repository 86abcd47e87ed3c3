"""A small HTTP server of the tests, on a free port of 127.0.0.1 as long as a block lasts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

_Told = TypeVar("_Told")


class Handler(BaseHTTPRequestHandler):
    """Answers requests; quiet, and its connections stay open."""

    protocol_version = "HTTP/1.1"

    @property
    def told(self) -> Any:
        """What the test tells the server, and reads of it."""
        return self.server.told  # type: ignore[attr-defined]  # set below

    def body(self) -> bytes:
        """What was sent along."""
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def sent_headers(self) -> dict[str, str]:
        """The request's headers, names in lower case."""
        return {name.lower(): value for name, value in self.headers.items()}

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Handler], make: Callable[[str], _Told]) -> Iterator[_Told]:
    """Run a server of `handler`; `make` is given its base URL, and makes what it is told."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    http.daemon_threads = True
    told = make(f"http://127.0.0.1:{http.server_port}")
    http.told = told  # type: ignore[attr-defined]  # the handler's way to it
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)
