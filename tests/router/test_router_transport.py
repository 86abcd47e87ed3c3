"""HTTP/1.1 to destinations: every way in which an answer may end is understood, and what is no answer is an error."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from llmtrace.router.notifiers.transport import LARGEST_HEAD, Transport

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


def ask(script: Script, times: int = 1, **options) -> list[httpx.Response | httpx.TransportError]:
    """So many requests, one after the other: each an answer that was read, or an error."""

    async def scenario():
        server = await asyncio.start_server(script.serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=b"
        came: list[httpx.Response | httpx.TransportError] = []
        transport = Transport(**options.pop("pool", {}))
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            for _ in range(times):
                try:
                    came.append(await client.post(url, content=b"body", **options))
                except httpx.TransportError as error:
                    came.append(error)
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
        (TWO + b"more", b"ok", 2),
        (TWO + TWO, b"ok", 2),
        (TWO + Script.CLOSE, b"ok", 2),
        (OK + b"content-length: 3000000\r\n\r\n" + b"x" * 3_000_000, b"x" * 3_000_000, 1),
    ],
)
def test_an_answer_is_read_to_its_end(answer, body, connections):
    """By its length, by chunks or by the end of the connection; which is kept only where nothing speaks against it."""
    script = Script(answer, answer)
    came = ask(script, 2)
    assert [(each.status_code // 100, each.content) for each in came] == [(2, body)] * 2
    assert script.connections == connections
    assert script.requests[0].startswith(b"POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
    assert script.requests[0].endswith(b"\r\nContent-Length: 4\r\n\r\nbody")


@pytest.mark.parametrize(
    "answer",
    [
        b"" + Script.CLOSE,
        b"HTTP/1.1 20" + Script.CLOSE,
        b"SSH-2.0-OpenSSH\r\n",
        OK + b"content-length: 5\r\n\r\nok" + Script.CLOSE,
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nok" + Script.CLOSE,
        OK + b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + Script.CLOSE,
        OK + b"x: " + b"y" * (3 * LARGEST_HEAD) + b"\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_an_error(answer):
    """Not a crash, not a wait: the message is tried again, on another connection."""
    error, after = ask(Script(answer, TWO), 2)
    assert isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError))
    assert after.content == b"ok"


def test_who_does_not_answer_is_waited_for_so_long_and_no_longer():
    """The limits are httpx's."""
    (error,) = ask(Script(OK), timeout=0.05)
    assert isinstance(error, httpx.ReadTimeout)


def test_nobody_there_is_an_error():
    """A refused connection, and a name that is none."""

    async def scenario(url):
        async with httpx.AsyncClient(transport=Transport(), trust_env=False) as client:
            await client.post(url, content=b"")

    for url in ("http://127.0.0.1:1/", "http://name.invalid/"):
        with pytest.raises(httpx.ConnectError):
            asyncio.run(scenario(url))


def test_a_header_cannot_hold_another():
    """A line end in a value is refused before anything is sent."""
    script = Script(TWO)
    (error,) = ask(script, headers={"x": "a\r\ny: b"})
    assert isinstance(error, httpx.LocalProtocolError)
    assert not script.requests


def test_idle_connections_are_given_up():
    """After their time, and where there are enough of them already."""
    script = Script(TWO, TWO)
    ask(script, 2, pool={"kept_for": 0.001})
    assert script.connections == 2
    script = Script(TWO, TWO)
    ask(script, 2, pool={"kept": 0})
    assert script.connections == 2
