"""A real OTLP/HTTP server on loopback: remembers what it was sent, and answers as it was told."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from waiting import wait_until


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sink says to one request."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs: bool = False
    """Say nothing until the sink is released or closed."""


TAKEN = Answer()
HANGS = Answer(503, hangs=True)
"""Released, it turns out that it did not take them."""


def partial_success(rejected: int) -> Answer:
    """A 200 that says that so many spans were refused."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = rejected
    response.partial_success.error_message = "too large"
    return Answer(body=response.SerializeToString())


@dataclass(frozen=True, slots=True)
class SinkSpan:
    """A span as it came over the wire."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: int
    start: int
    end: int
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    links: list[tuple[str, str]]
    status: int
    status_message: str
    resource: dict[str, Any]
    scope: str


@dataclass(frozen=True, slots=True)
class Request:
    """One request, as it came: header names in lower case."""

    at: float
    """Seconds of the monotonic clock."""
    path: str
    headers: dict[str, str]
    body: bytes
    """Decompressed."""
    spans: list[SinkSpan]
    taken: bool
    """Whether the answer was a success."""


class OtlpSink:
    """What a test sees of the server."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[Request] = []
        self.answers: deque[Answer] = deque()
        """Given one by one; when there are none left, `then`."""
        self.then = TAKEN
        self.rule: Callable[[Request], Answer] | None = None
        """Decides by the request, where it is set; None of its own: `answers`, then `then`."""
        self.connections = 0
        self._released = threading.Event()

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def spans(self) -> list[SinkSpan]:
        """The spans of the requests that were answered with success, in the order of their arrival."""
        return [span for request in list(self.requests) if request.taken for span in request.spans]

    @property
    def names(self) -> list[str]:
        """Their names."""
        return [span.name for span in self.spans]

    def span(self, name: str) -> SinkSpan:
        """The one span with this name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def wait_for_spans(self, count: int, deadline: float = 10.0) -> list[SinkSpan]:
        """Wait until so many spans are there."""
        wait_until(lambda: len(self.spans) >= count, f"{count} spans in the sink", deadline)
        return self.spans

    def wait_for_requests(self, count: int, deadline: float = 10.0) -> list[Request]:
        """Wait until so many requests came, whatever the answer."""
        wait_until(lambda: len(self.requests) >= count, f"{count} requests to the sink", deadline)
        return list(self.requests)

    def release(self) -> None:
        """Let the requests that hang go on."""
        self._released.set()

    def answer(self, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        """Remember a request, and say how to answer it."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        spans = [] if request.path.endswith("/v1/metrics") else decoded(body)
        came = Request(time.monotonic(), request.path, headers, body, spans, taken=False)
        answer = self.rule(came) if self.rule is not None else self._next_answer()
        self.requests.append(replace(came, taken=answer.status < 300))
        if answer.hangs:
            self._released.wait()
        return answer

    def _next_answer(self) -> Answer:
        return self.answers.popleft() if self.answers else self.then


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 128

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.sink = OtlpSink(self.server_address[1])
        self.open: set[socket.socket] = set()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no error of the sink."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.sink.connections += 1
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        with suppress(OSError):
            super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        answer = self.server.sink.answer(self, body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server wants
        """Say nothing."""


@contextmanager
def otlp_sink(port: int = 0) -> Iterator[OtlpSink]:
    """Run a sink; afterwards its port is free, and no thread or socket of it is left."""
    server = _Server(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server.sink
    finally:
        server.shutdown()
        thread.join()
        server.sink.release()
        for connection in list(server.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()


def free_port() -> int:
    """A port on which nobody listens: connections to it are refused."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def decoded(body: bytes) -> list[SinkSpan]:
    """The spans of an OTLP request."""
    request = ExportTraceServiceRequest.FromString(body)
    return [
        SinkSpan(
            name=span.name,
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            kind=span.kind,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            attributes=_attributes(span.attributes),
            events=[(event.name, _attributes(event.attributes)) for event in span.events],
            links=[(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            status=span.status.code,
            status_message=span.status.message,
            resource=_attributes(of_resource.resource.attributes),
            scope=of_scope.scope.name,
        )
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        assert isinstance(pair, KeyValue)
        assert pair.key not in found, f"{pair.key} twice in one span"
        found[pair.key] = _value(pair.value)
    return found


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: _value(pair.value) for pair in value.kvlist_value.values}
    return None if kind is None else getattr(value, kind)
