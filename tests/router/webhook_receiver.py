"""A real webhook receiver on loopback that checks each body against Alertmanager's published format."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

ALERTMANAGER_KEYS = {
    "version", "groupKey", "truncatedAlerts", "status", "receiver", "groupLabels", "commonLabels",
    "commonAnnotations", "externalURL", "alerts",
}  # fmt: skip
ALERT_KEYS = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
LLMTRACE_KEYS = {"tier", "reason", "dedup_key", "decision_id", "escalation_step"}


@dataclass(frozen=True, slots=True)
class Received:
    """One request, with the seconds of the monotonic clock at which it came and the status that it got."""

    body: dict[str, Any]
    raw: bytes
    headers: Mapping[str, str]
    at: float
    status: int


class WebhookReceiver:
    """Listens while the ``with`` block runs; answers with ``scripted`` answers first, then with 204."""

    def __init__(self, port: int = 0) -> None:
        self.received: list[Received] = []
        self.scripted: deque[Any] = deque()
        self.faults: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/hook"

    @property
    def accepted(self) -> list[Received]:
        """Those that got a 2xx."""
        return [received for received in self.received if received.status < 300]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        assert not self.faults, self.faults


def check_format(body: dict[str, Any]) -> None:
    """Raise an assertion error unless the body is Alertmanager's webhook v4 plus ``llmtrace``."""
    assert set(body) == ALERTMANAGER_KEYS | {"llmtrace"}
    assert body["version"] == "4"
    assert body["status"] in ("firing", "resolved")
    assert isinstance(body["truncatedAlerts"], int)
    assert set(body["llmtrace"]) == LLMTRACE_KEYS
    assert body["alerts"]
    for alert in body["alerts"]:
        assert set(alert) == ALERT_KEYS
        assert all(isinstance(text, str) for part in ("labels", "annotations") for text in alert[part].values())
        assert datetime.fromisoformat(alert["startsAt"]).tzinfo is not None
        datetime.fromisoformat(alert["endsAt"])


def _handler_for(receiver: WebhookReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            raw = self.rfile.read(length)
            if len(raw) < length:  # the router died while it sent
                return
            body = json.loads(raw)
            try:
                check_format(body)
            except AssertionError as error:
                receiver.faults.append(str(error) or raw.decode())
            status, headers, *given = receiver.scripted.popleft() if receiver.scripted else (204, {})
            data = str(given[0]).encode() if given else b""
            kept = {name.lower(): value for name, value in self.headers.items()}
            receiver.received.append(Received(body, raw, kept, monotonic(), status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
