"""A loopback server that answers as the model providers do: whole, or streamed in their framing."""

from __future__ import annotations

import gzip
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from loopback import Handler, serving


class Framing(Enum):
    """How an answer goes over the wire."""

    JSON = "application/json"
    OPENAI = "text/event-stream"
    """Events of data only, closed by [DONE]."""
    NAMED_EVENTS = "text/event-stream; charset=utf-8"
    """Events with their type as name, as Anthropic and OpenAI's Responses send them."""
    EVENTS = "text/event-stream;charset=UTF-8"
    """Events of data only, without an end, as Google sends them."""
    LINES = "application/x-ndjson"
    """One JSON document a line, as Ollama sends them."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server says to the next request.

    Attributes:
        body: The answer, or the list of its chunks.
        framing: How it is sent.
        status: The HTTP status.
        headers: Further headers.
    """

    body: Any
    framing: Framing = Framing.JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()

    def encoded(self) -> bytes:
        """The bytes on the wire."""
        match self.framing:
            case Framing.JSON:
                return json.dumps(self.body).encode()
            case Framing.OPENAI:
                return (
                    "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*self.body]).encode() + b"data: [DONE]\n\n"
                )
            case Framing.EVENTS:
                return "".join(f"data: {json.dumps(chunk)}\r\n\r\n" for chunk in self.body).encode()
            case Framing.NAMED_EVENTS:
                return "".join(f"event: {chunk['type']}\ndata: {json.dumps(chunk)}\n\n" for chunk in self.body).encode()
            case Framing.LINES:
                return "".join(f"{json.dumps(chunk)}\n" for chunk in self.body).encode()


@dataclass(slots=True)
class ProviderServer:
    """A running server.

    Attributes:
        url: Its base URL, without a path.
        reply: What it says to every request from now on.
        refusals: What it says first, each to one request.
        requests: The bodies that it was sent.
        headers: The headers of each, names in lower case.
    """

    url: str
    reply: Reply = field(default_factory=lambda: Reply({}))
    refusals: list[Reply] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def provider_server() -> AbstractContextManager[ProviderServer]:
    """Run a server as long as the block lasts."""
    return serving(_Handler, ProviderServer)


class _Handler(Handler):
    """Answers as the test has told."""

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        server: ProviderServer = self.told
        server.requests.append(json.loads(self.body()))
        server.headers.append(self.sent_headers())
        reply = server.refusals.pop(0) if server.refusals else server.reply
        body = reply.encoded()
        headers = dict(reply.headers)
        if headers.get("content-encoding") == "gzip":
            body = gzip.compress(body)
        self.send_response(reply.status)
        self.send_header("content-type", reply.framing.value)
        self.send_header("content-length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)
