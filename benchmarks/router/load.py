"""Load on ``/api/v2/alerts``: plain sockets, bodies made beforehand, so that it costs less than what it measures.

Run by path, in a process of its own: it prints one line of JSON.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STAMP = "2026-11-20T12:00:00Z"
GOOD = (b"HTTP/1.1 200", b"HTTP/1.1 202")


@dataclass(slots=True)
class Run:
    """What one run came to: seconds from the first byte sent to the last answer, and the seconds of each request."""

    seconds: float
    latencies: list[float] = field(repr=False)
    refused: int

    def at(self, share: float) -> float:
        """The latency below which this share of the requests stayed."""
        return sorted(self.latencies)[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def bodies(alerts: int, batch: int, groups: int = 0, start: int = 0) -> Iterator[bytes]:
    """JSON bodies of ``batch`` alerts each, every alert a condition of its own, in so many groups (0: one each)."""
    for first in range(start, start + alerts, batch):
        numbers = range(first, min(first + batch, start + alerts))
        yield json.dumps([_alert(number, groups) for number in numbers]).encode()


def requests(port: int, made: Iterator[bytes], path: str = "/api/v2/alerts", token: str = "") -> list[bytes]:
    """Whole requests, ready to be sent."""
    auth = f"authorization: Bearer {token}\r\n" if token else ""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n{auth}content-type: application/json\r\ncontent-length: "
    return [f"{head}{len(body)}\r\n\r\n".encode() + body for body in made]


def run(port: int, given: Sequence[bytes], connections: int) -> Run:
    """Send all, one at a time on each connection."""
    selector = selectors.DefaultSelector()
    waiting = iter(given)
    began: dict[int, float] = {}
    answers: dict[int, bytes] = {}
    latencies: list[float] = []
    refused = 0
    start = time.perf_counter()
    for _ in range(connections):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (request := next(waiting, None)) is not None:
            selector.register(one, selectors.EVENT_READ)
            began[one.fileno()] = time.perf_counter()
            one.sendall(request)
    while selector.get_map():
        for key, _ in selector.select(30):
            one: socket.socket = key.fileobj  # type: ignore[assignment]
            answer = answers.pop(one.fileno(), b"") + one.recv(65_536)
            if not is_whole(answer):
                answers[one.fileno()] = answer
                continue
            now = time.perf_counter()
            latencies.append(now - began[one.fileno()])
            refused += not answer.startswith(GOOD)
            if (request := next(waiting, None)) is None:
                selector.unregister(one)
                one.close()
                continue
            began[one.fileno()] = now
            one.sendall(request)
    return Run(time.perf_counter() - start, latencies, refused)


def is_whole(answer: bytes) -> bool:
    """Whether all of an answer is there."""
    head, end, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    return bool(end) and len(body) >= (int(length[1]) if length else 0)


def _alert(number: int, groups: int) -> dict[str, object]:
    labels = {
        "alertname": f"latency-{number % groups}" if groups else f"latency-{number}",
        "severity": "critical",
        "service": "bot",
        "model": "gpt-x",
        "environment": "production",
        "instance": f"pod-{number}",
    }
    annotations = {"summary": "the 95th percentile of latency is above 8 s", "value": "9.3"}
    return {"labels": labels, "annotations": annotations, "generatorURL": "http://prometheus/graph?g0.expr=x"}


def main(
    port: int, alerts: int, batch: int, connections: int, token: str = "", groups: int = 0, start: int = 0
) -> None:
    """Send and say what it came to."""
    done = run(port, requests(port, bodies(alerts, batch, groups, start), token=token), connections)
    said = {"seconds": done.seconds, "rate": alerts / done.seconds, "refused": done.refused}
    print(json.dumps({**said, "p50": done.at(0.5), "p99": done.at(0.99)}))


if __name__ == "__main__":
    main(*(int(text) for text in sys.argv[1:5]), *sys.argv[5:6], *(int(text) for text in sys.argv[6:8]))
