"""HTTP to destinations: every way in which an answer may end is understood, and what is none means another attempt."""

from __future__ import annotations

import asyncio

import pytest
from router_values import NOON

from llmtrace.router.model import Outcome, Receipt
from llmtrace.router.notifiers import http
from llmtrace.router.notifiers.http import Request, exchange, open_client

OK = b"HTTP/1.1 200 OK\r\n"
TWO = OK + b"content-length: 2\r\n\r\nok"


class Script:
    """A server that gives each request the next answer; one that ends in ``CLOSE`` ends the connection too."""

    CLOSE = b"<close>"

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.serving: list[asyncio.Task[None] | None] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.serving.append(asyncio.current_task())
        try:
            while self.answers:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
                self.requests.append(head + await reader.readexactly(length))
                answer = self.answers.pop(0)
                writer.write(answer.removesuffix(self.CLOSE))
                await writer.drain()
                if answer.endswith(self.CLOSE):
                    break
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


def ask(script: Script, times: int = 1, **headers: str) -> list[tuple[Receipt, bytes]]:
    """So many requests, one after the other: what became of each, and what was read."""

    async def scenario() -> list[tuple[Receipt, bytes]]:
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b%2Fc"
        came = []
        async with open_client() as client:
            for _ in range(times):
                request = Request("POST", url, b"body", headers)
                came.append(await exchange(client, request, NOON, allow_private=True, most=10_000_000))
                await asyncio.sleep(0.01)  # what is wrong behind an answer arrives
        server.close()
        await asyncio.gather(*filter(None, script.serving))
        return came

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("answer", "body", "connections"),
    [
        (TWO, b"ok", 1),
        (OK + b"transfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok", 1),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + TWO, b"ok", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b"", 1),
        (OK + b"connection: close\r\ncontent-length: 2\r\n\r\nok", b"ok", 2),
        (OK + b"\r\nok" + Script.CLOSE, b"ok", 2),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok", 2),
        (TWO + b"\r\n", b"ok", 1),
        (TWO + TWO, b"ok", 2),
        (TWO + Script.CLOSE, b"ok", 2),
        (OK + b"content-length: 3000000\r\n\r\n" + b"x" * 3_000_000, b"x" * 3_000_000, 1),
    ],
)
def test_an_answer_is_read_to_its_end(answer, body, connections):
    """By its length, by chunks or by the end of the connection; which is kept only where nothing speaks against it."""
    script = Script(answer, answer)
    assert [(receipt.outcome, said) for receipt, said in ask(script, 2)] == [(Outcome.DELIVERED, body)] * 2
    assert script.connections == connections
    assert script.requests[0].startswith(b"POST /hook?a=b%2Fc HTTP/1.1\r\nHost: 127.0.0.1:")
    assert script.requests[0].endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize(
    "answer",
    [
        b"" + Script.CLOSE,
        b"HTTP/1.1 20" + Script.CLOSE,
        b"SSH-2.0-OpenSSH\r\n",
        TWO + b"more",
        OK + b"content-length: 5\r\n\r\nok" + Script.CLOSE,
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nok" + Script.CLOSE,
        OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + Script.CLOSE,
        OK + b"x: " + b"y" * 300_000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_means_another_attempt(answer):
    """Not a crash, not a wait: the message is tried again, on another connection."""
    (failed, _), (after, said) = ask(Script(answer, TWO), 2)
    assert failed.outcome is Outcome.RETRY
    assert (after.outcome, said) == (Outcome.DELIVERED, b"ok")


def test_who_does_not_answer_is_waited_for_so_long_and_no_longer(monkeypatch):
    """One limit for all of it."""
    monkeypatch.setattr(http, "TIMEOUT", 0.05)
    ((receipt, _),) = ask(Script(OK))
    assert receipt == Receipt(Outcome.RETRY, "no answer in 0.05 s")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://name.invalid/", "http://a b/", "http://[::1/", "no url"]
)
def test_nobody_there_is_a_receipt(url):
    """A refused connection, a name that is none, an address that is none."""

    async def scenario() -> Receipt:
        async with open_client() as client:
            return await http.post(client, url, b"", {}, NOON, allow_private=True)

    assert asyncio.run(scenario()).outcome is Outcome.RETRY


def test_a_header_cannot_hold_another():
    """A line end in a value is refused before anything is sent."""
    script = Script(TWO)
    ((receipt, _),) = ask(script, x="a\r\ny: b")
    assert receipt.outcome is Outcome.RETRY
    assert not script.requests


def test_idle_connections_are_given_up(monkeypatch):
    """After their time."""
    monkeypatch.setattr(http, "KEPT_FOR", 0.001)
    script = Script(TWO, TWO)
    ask(script, 2)
    assert script.connections == 2
