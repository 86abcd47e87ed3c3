"""A loopback OTLP server in a process of its own: takes what it is sent, and says on request which spans it took.

Faults are set by a PUT: how to answer from now on. It decodes nothing before it is asked, so that it costs little.
"""

from __future__ import annotations

import gzip
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    taken: ClassVar[list[bytes]] = []
    fault: ClassVar[dict[str, Any]] = {}
    """`status`, `headers`, `hang` (seconds), `most_bytes` (413 above it), `rejects` (share of a batch), `down` (so long
    nobody listens, and connections are cut: seconds)."""
    down: ClassVar[threading.Event] = threading.Event()
    released: ClassVar[threading.Event] = threading.Event()

    def do_POST(self) -> None:
        """OTLP."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        fault = dict(self.fault)
        if "down" in fault:
            self.close_connection = True
            return
        if "hang" in fault:
            self.released.wait(fault["hang"])
            self.close_connection = True
            return
        status = fault.get("status", 200)
        if "most_bytes" in fault and len(body) > fault["most_bytes"]:
            status = 413
        said = b""
        if status == 200 and fault.get("rejects"):  # noqa: PLR2004 - HTTP
            said = self._rejected(body, fault["rejects"])
        elif status == 200:  # noqa: PLR2004 - HTTP
            self.taken.append(body)
        self._answer(status, said, fault.get("headers", {}))

    @staticmethod
    def _rejected(body: bytes, share: float) -> bytes:
        response = ExportTraceServiceResponse()
        response.partial_success.rejected_spans = int(len(spans_of(body)) * share)
        return response.SerializeToString()

    def do_PUT(self) -> None:
        """A fault, as JSON; empty: none."""
        given = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        type(self).fault = given
        self.released.set()
        type(self).released = threading.Event()
        self._answer(200, b"", {})
        if "down" in given:
            self.down.set()

    def do_GET(self) -> None:
        """How many distinct spans were taken, and how many in all; by name prefix where one is given; their names."""
        path, _, prefix = self.path.partition("?")
        found = [span for body in list(self.taken) for span in spans_of(body) if span.name.startswith(prefix)]
        counted: dict[str, Any] = {"distinct": len({span.span_id for span in found}), "all": len(found)}
        if path == "/names":
            counted["names"] = [span.name for span in found]
        self._answer(200, json.dumps(counted).encode(), {})

    def do_DELETE(self) -> None:
        """Forget all."""
        self.taken.clear()
        self._answer(200, b"", {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server wants
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Does not wait for requests that hang."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the server."""


def spans_of(body: bytes) -> list[Any]:
    """The spans of a request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        span
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def main(port: int = 0) -> None:
    """Serve until killed; the first line printed is the port."""
    server = Server(("127.0.0.1", port), Handler)
    port = server.server_address[1]
    print(port, flush=True)
    while True:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        Handler.down.wait()
        server.shutdown()
        server.server_close()
        time.sleep(Handler.fault["down"])
        Handler.down.clear()
        Handler.fault = {}
        server = Server(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
