"""Real servers on loopback that answer as PagerDuty, Slack, ServiceNow and mail do, and check what they get."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
import time
from collections import deque
from dataclasses import dataclass
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from email.message import EmailMessage


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


Scripted = tuple[int, dict[str, str]] | tuple[int, dict[str, str], Any] | None


class Service:
    """An HTTP service; ``check`` raises for what the real one would refuse, ``reply`` says what it answers.

    ``scripted`` answers come first: a status, headers, and a body if wished; None stands for the answer by ``reply``.
    """

    def __init__(self, check: Callable[[Call], None], reply: Callable[[Call], tuple[int, Any]]) -> None:
        self.calls: list[Call] = []
        self.scripted: deque[Scripted] = deque()
        self.faults: list[str] = []
        self.check, self.reply = check, reply
        self.url = "http://127.0.0.1:1"

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert not self.faults, self.faults

    def answer(self, call: Call) -> tuple[int, dict[str, str], Any]:
        self.calls.append(call)
        try:
            self.check(call)
        except AssertionError as error:
            self.faults.append(f"{error}: {call}")
        scripted = self.scripted.popleft() if self.scripted else None
        if scripted is not None:
            status, headers, *given = scripted
            return status, headers, given[0] if given else {}
        status, body = self.reply(call)
        return status, {}, body


def _handler(service: Service) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            kept = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, self.path, kept, json.loads(raw) if raw else None)
            status, headers, body = service.answer(call)
            data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # whoever has read enough hangs up
                self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _serve  # noqa: N815 - names that the base class calls

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def pagerduty() -> Service:
    """Events API v2: required fields, lengths and words as published."""

    def check(call: Call) -> None:
        body = call.body
        assert (call.method, call.path) == ("POST", "/v2/enqueue")
        assert len(body["routing_key"]) == 32
        assert body["event_action"] in ("trigger", "acknowledge", "resolve")
        assert 0 < len(body["dedup_key"]) <= 255
        if body["event_action"] == "trigger":
            payload = body["payload"]
            assert 0 < len(payload["summary"]) <= 1024
            assert payload["severity"] in ("critical", "error", "warning", "info")
            assert payload["source"]
            assert all(set(link) == {"href", "text"} for link in body["links"])
            assert all("src" in image for image in body["images"])

    return Service(check, lambda call: (202, {"status": "success", "dedup_key": call.body["dedup_key"]}))


def slack() -> Service:
    """Incoming webhooks: Block Kit's limits."""

    def check(call: Call) -> None:
        blocks = call.body["blocks"]
        assert call.body["text"]
        check_blocks(blocks)
        assert "<!channel>" not in json.dumps(blocks)

    return Service(check, lambda _call: (200, "ok"))


def check_blocks(blocks: list[dict[str, Any]]) -> None:
    """Raise an assertion error unless they are within Block Kit's limits."""
    assert 0 < len(blocks) <= 50
    assert len(json.dumps(blocks)) < 13_200
    for block in blocks:
        if block["type"] == "header":
            assert 0 < len(block["text"]["text"]) <= 150
        elif block["type"] == "section":
            assert 0 < len(block["text"]["text"]) <= 3000
        else:
            assert block["type"] in ("actions", "context")
            assert 0 < len(block["elements"]) <= 25


def servicenow() -> Service:
    """Table API: search, create and update of incidents; ``tickets`` are those that were made."""
    tickets: list[dict[str, Any]] = []

    def check(call: Call) -> None:
        assert call.path.startswith("/api/now/table/incident")
        assert call.headers["authorization"] in ("Bearer t0ken", "Basic dTpw", "Bearer " + "k" * 32)
        if call.method == "POST":
            assert 0 < len(call.body["short_description"]) <= 160
            assert call.body["correlation_id"]

    def reply(call: Call) -> tuple[int, Any]:
        if call.method == "GET":
            query = parse_qs(urlsplit(call.path).query)["sysparm_query"][0]
            key, active = query.removeprefix("correlation_id=").split("^")
            assert active == "active=true"
            found = [ticket for ticket in tickets if ticket["correlation_id"] == key and ticket.get("state") != "6"]
            return 200, {"result": [{"sys_id": ticket["sys_id"], "number": "INC1"} for ticket in found]}
        if call.method == "POST":
            tickets.append({**call.body, "sys_id": f"s{len(tickets)}"})
            return 201, {"result": tickets[-1]}
        (ticket,) = (ticket for ticket in tickets if call.path.endswith(ticket["sys_id"]))
        ticket |= call.body
        return 200, {"result": ticket}

    service = Service(check, reply)
    service.tickets = tickets  # type: ignore[attr-defined]
    return service


class MailServer:
    """SMTP; ``refuse`` is answered to the recipient where it is set."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refuse: str | None = None
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self._say("220 test")
                while line := self.rfile.readline().strip().upper():
                    if line.startswith(b"RCPT") and outer.refuse:
                        self._say(outer.refuse)
                    elif line == b"DATA":
                        self._say("354 go on")
                        outer.mails.append(self._mail())
                        self._say("250 kept")
                    elif line == b"QUIT":
                        self._say("221 bye")
                        return
                    else:
                        self._say("250 ok")

            def _mail(self) -> EmailMessage:
                lines = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line.removeprefix(b"."))
                return message_from_bytes(b"".join(lines), policy=policy.default)

            def _say(self, text: str) -> None:
                self.wfile.write(text.encode() + b"\r\n")

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextlib.contextmanager
def saying(nonsense: bytes, pause: float = 0) -> Iterator[int]:
    """The port of a server that says this to everybody, again and again, with a pause in between."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                for _ in range(10_000):  # until the other side has heard enough
                    self.wfile.write(nonsense)
                    time.sleep(pause)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
