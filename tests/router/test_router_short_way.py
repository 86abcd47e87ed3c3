"""The short way of a request that comes whole: the same answers as the long one, in order, whatever the sender does."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from typing import TYPE_CHECKING

import pytest
from router_process import RouterProcess
from router_store import no_reload, world_of
from router_values import make_config, make_request, make_span, make_tag

from llmtrace.router.app import build_web
from llmtrace.router.ports import StoreError
from llmtrace.router.store.commit import ENOUGH, GroupCommit
from llmtrace.router.web.intake import SMALL_BODY, Door
from llmtrace.router.web.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUSHED = b'[{"labels": {"alertname": "a", "severity": "critical"}}]'
TAGGED = make_request(make_span(make_tag(key="a"))).SerializeToString()
REQUESTS = {
    "pushed": ("/api/v2/alerts", "application/json", PUSHED),
    "nothing": ("/api/v2/alerts", "application/json", b"[]"),
    "wrong": ("/api/v2/alerts", "application/json", b"[{}]"),
    "generic": ("/ingest/generic", "application/json", b'{"name": "a", "severity": "error"}'),
    "change": ("/ingest/change", "application/json", b'{"title": "deploy", "service": "bot"}'),
    "protobuf": ("/v1/traces", "application/x-protobuf", TAGGED),
    "OTLP JSON": ("/v1/traces", "application/json", b"{}"),
    "metrics": ("/v1/metrics", "application/x-protobuf", b""),
    "no such content": ("/v1/traces", "text/plain", b"x"),
    "no such path": ("/v2/traces", "application/json", b"{}"),
}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of a router that all of these may use."""
    file = tmp_path_factory.mktemp("short") / "alerts.yaml"
    file.write_text("version: 1\nreceivers: {a: {console: {}}}\nroutes: [{tier: channel, receivers: [a]}]\n")
    with RouterProcess(file) as router:
        yield int(router.client.base_url.port or 0)


def request(
    path: str = "/api/v2/alerts",
    kind: str = "application/json",
    body: bytes = PUSHED,
    more: str = "",
    version: str = "1.1",
) -> bytes:
    """A POST."""
    head = f"POST {path} HTTP/{version}\r\nhost: 127.0.0.1\r\ncontent-type: {kind}\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def answers(port: int, *parts: bytes) -> list[tuple[int, bytes]]:
    """Status and body of all answers to what is sent, part by part, until the router closes the connection."""
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        for part in parts:
            one.sendall(part)
            time.sleep(0.01 if len(parts) > 1 else 0)  # so that most parts come apart; if not, the answer is the same
        came = b""
        while got := one.recv(65_536):
            came += got
    found = []
    while came:
        head, _, came = came.partition(b"\r\n\r\n")
        length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
        found.append((int(head.split()[1]), came[:length]))
        came = came[length:]
    return found


@pytest.mark.parametrize("what", REQUESTS)
def test_both_ways_lead_to_the_same_answer(port: int, what: str):
    """A request in one piece, in two and in three is answered alike, to the byte."""
    whole = request(*REQUESTS[what], more="connection: close\r\n")
    head, body = whole.index(b"\r\n\r\n") + 4, len(whole) - 1
    (expected,) = answers(port, whole)
    assert answers(port, whole[:head], whole[head:]) == [expected]
    assert answers(port, whole[:9], whole[9:body], whole[body:]) == [expected]


def test_answers_come_in_the_order_of_the_requests(port: int):
    """Sent at once on one connection: those that wait for the disk, those that do not, and those that are wrong."""
    chunked = b"POST /api/v2/alerts HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\n"
    sent = [
        request(),
        request(body=b"[{}]"),
        b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n",
        chunked + b"%x\r\n%b\r\n0\r\n\r\n" % (len(PUSHED), PUSHED),
        request(body=b"[]"),
        request("/v2/nothing"),
        request(more="connection: close\r\n"),
    ]
    statuses = [200, 400, 200, 200, 200, 404, 200]
    assert [status for status, _ in answers(port, b"".join(sent))] == statuses
    assert [status for status, _ in answers(port, *sent)] == statuses
    middle = len(sent[0]) + 20
    together = b"".join(sent)
    assert [status for status, _ in answers(port, together[:middle], together[middle:])] == statuses


def test_an_old_client_is_answered_and_let_go(port: int):
    """HTTP/1.0 keeps no connection."""
    assert answers(port, request(version="1.0")) == [(200, b'{"accepted":1}')]


def test_what_follows_a_request_and_is_none_is_refused(port: int):
    """The request is taken; the nonsense behind it ends the connection, and the next client is served."""
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        one.sendall(request() + b"\x00nonsense\r\n\r\n")
        assert one.recv(65_536).startswith(b"HTTP/1.1 ")
    assert answers(port, request(more="connection: close\r\n"))[0][0] == 200


def test_who_leaves_before_the_answer_harms_nobody(port: int):
    """Fifty senders close their connections at once after sending; the next one is served."""
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", port), 20) as one:
            one.sendall(request())
    assert answers(port, request(more="connection: close\r\n"))[0][0] == 200


def test_more_than_fits_into_one_commit_is_all_answered(port: int):
    """Hundreds of requests that are there at once, on as many connections."""
    opened = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(3 * ENOUGH)]
    for one in opened:
        one.sendall(request())
    for one in opened:
        assert one.recv(65_536).startswith(b"HTTP/1.1 200 ")
        one.close()


def at_once(folder: Path, body: bytes = PUSHED, error: StoreError | None = None, undecided: int = 0, **headers: str):
    """What the short way says to a request on the real application; None: it goes the long way."""

    async def scenario():
        def write(alerts) -> None:
            if error is not None:
                raise error
            world.accept(*alerts)

        with world_of(make_config(folder)) as world, GroupCommit(write, lambda: None) as inbox:
            tally, done = Tally(), asyncio.get_running_loop().create_future()
            door = Door(inbox, world.clock, lambda: undecided, tally)
            app = build_web(world.config, door, world.records, world.counter(), lambda: None, no_reload)
            named = {"host": "127.0.0.1", **{name.replace("_", "-"): text for name, text in headers.items()}}
            if not app.at_once("/api/v2/alerts", named, body, done.set_result):
                assert not door.heard
                return None
            return await done, tally, door

    return asyncio.run(scenario())


def test_an_answer_follows_the_commit(tmp_path: Path):
    """It counts, and its source is heard."""
    answer, tally, door = at_once(tmp_path)
    assert (answer.status, json.loads(answer.body)) == (200, {"accepted": 1})
    assert tally.alerts["/api/v2/alerts"] == tally.answers["/api/v2/alerts", 200] == 1
    assert "/api/v2/alerts" in door.heard


def test_what_cannot_be_stored_is_not_accepted(tmp_path: Path):
    """503, and come again; nothing is counted as accepted, and nobody was heard."""
    answer, tally, door = at_once(tmp_path, error=StoreError("disk full"))
    assert answer.status == 503
    assert (b"retry-after", b"5") in answer.headers
    assert not tally.alerts["/api/v2/alerts"]
    assert not door.heard


@pytest.mark.parametrize(
    "request_",
    [
        {"body": b"["},
        {"body": b"[" + b" " * SMALL_BODY + b"]"},
        {"content_encoding": "gzip"},
        {"host": "attacker.example"},
        {"origin": "https://attacker.example"},
        {"sec_fetch_site": "cross-site"},
        {"undecided": 500_000},
    ],
)
def test_what_is_not_ordinary_goes_the_long_way(tmp_path: Path, request_):
    """There it is refused, or read with more care; the short way has done nothing."""
    assert at_once(tmp_path, **request_) is None
