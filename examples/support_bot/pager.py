"""The pager: a loopback webhook that keeps what the router sends to it. In life, PagerDuty or a chat stands here."""

from __future__ import annotations

import json
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


class Pager:
    """Listens while the `with` block runs."""

    def __init__(self) -> None:
        self.pages: list[dict[str, Any]] = []
        """The bodies received so far, the oldest first."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self.pages))
        self._thread = threading.Thread(target=self._server.serve_forever, name="pager")
        self.url = f"http://127.0.0.1:{self._server.server_port}/page"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler_for(pages: list[dict[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                pages.append(json.loads(body))
            except ValueError:
                self.send_error(HTTPStatus.BAD_REQUEST)
                return
            self.send_response(HTTPStatus.NO_CONTENT)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent: the demo prints what was received."""

    return Handler
