"""Connections to destinations: one serves many messages, unless it was made to an address that had to be checked."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic

import pytest
from outbound import Asked, Client, Said
from router_values import NOON

from llmtrace.router.model import Outcome
from llmtrace.router.notifiers import http


class Server(ThreadingHTTPServer):
    """Counts connections; sends ``head`` and then ``body``, which may never be whole."""

    daemon_threads = True

    def __init__(self, head: bytes, body: bytes) -> None:
        self.answer = (head, body)
        self.connections = 0
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    """Keeps connections open."""

    protocol_version = "HTTP/1.1"
    server: Server

    def setup(self) -> None:
        self.server.connections += 1
        super().setup()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        head, body = self.server.answer
        self.wfile.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body)
        if head != b"content-length: %d\r\n" % len(body):
            self.server.over.wait(20)

    def log_message(self, *_: object) -> None:
        pass


def post(times: int, head: bytes, body: bytes) -> Server:
    """So many messages, one after the other, each delivered."""
    server = Server(head, body)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()

    async def scenario() -> None:
        url = f"http://127.0.0.1:{server.server_port}/"
        async with http.open_client() as client:
            for _ in range(times):
                receipt = await http.post(client, url, b"{}", {}, NOON, allow_private=True)
                assert receipt.outcome is Outcome.DELIVERED

    try:
        asyncio.run(scenario())
    finally:
        server.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
    return server


@pytest.mark.parametrize(("head", "body"), [(b"content-length: 2\r\n", b"ok"), (b"content-length: 0\r\n", b"")])
def test_a_connection_serves_the_next_message(head, body):
    """What a destination answers is read to its end, so that the next message needs no new connection."""
    assert post(5, head, body).connections == 1


@pytest.mark.parametrize(("head", "body"), [(b"content-length: 100\r\n", b"half"), (b"", b"endless")])
def test_an_answer_that_does_not_end_holds_nothing_up(head, body):
    """The status says what became of a message; nobody waits long for a body that nobody asked for."""
    began = monotonic()
    assert post(2, head, body).connections == 2
    assert monotonic() - began < 2 * http.TIMEOUT


def test_a_checked_address_is_connected_to_anew():
    """A connection that proved one host's name is never used for another host at the same address."""
    seen = []

    def answer(asked: Asked) -> Said:
        seen.append(asked.headers["connection"])
        return Said()

    async def public(_host: str, _port: int) -> list[str]:
        return ["93.184.216.34"]

    async def scenario() -> None:
        async with Client(answer) as client:
            await http.post(client, "https://hooks.example.org/", b"{}", {}, NOON, resolve=public)

    asyncio.run(scenario())
    assert seen == ["close"]
