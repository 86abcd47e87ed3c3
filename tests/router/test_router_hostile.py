"""Senders who mean harm, against the real process: each gets a clear 4xx or is cut off, and nobody else notices."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
import socket
import textwrap
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from router_process import RouterProcess
from waiting import wait_until
from webhook_receiver import WebhookReceiver

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "0123456789abcdef"
KEY = b"k" * 32
RULES = """
    version: 1
    intake:
      auth: {{bearer: ["{token}"]}}
      generic: {{auth: {{hmac: {{secrets: ["whsec_{key}"]}}}}}}
    receivers: {{hook: {{webhook: {{url: "{url}", allow_private: true}}}}}}
    routes: [{{tier: page, receivers: [hook], group_by: ['...']}}]
"""
BEARER = {"authorization": f"Bearer {TOKEN}"}
JSON = {**BEARER, "content-type": "application/json"}
PROTOBUF = {**BEARER, "content-type": "application/x-protobuf"}
GOOD = json.dumps([{"labels": {"alertname": "good", "severity": "critical"}}]).encode()
PATHS = ("/v1/traces", "/v1/metrics", "/api/v2/alerts", "/ingest/alertmanager", "/ingest/arize", "/ingest/langfuse")
NESTED = b"[" * 200_000
LARGE = b"[" + b" " * 50_000_000 + b"]"
HOSTILE = {
    "empty": (b"", 400),
    "half a JSON": (b'{"alerts": [', 400),
    "deep nesting": (NESTED, 400),
    "deep objects": (b'{"a":' * 100_000, 400),
    "a huge number": (b'[{"labels": {"a": ' + b"9" * 100_000 + b"}}]", 400),
    "a huge exponent": (b'{"monitor_name": "a", "metric_value": 1e999999}', None),
    "NUL and half a surrogate pair": (b'[{"labels": {"alertname": "a\\u0000\\ud800", "severity": "critical"}}]', None),
    "bytes that are no UTF-8": (b'[{"labels": {"alertname": "\xff\xfe"}}]', 400),
    "one key twice": (b'[{"labels": {"alertname": "a", "alertname": "b", "severity": "info"}}]', None),
    "fifty megabytes": (LARGE, 413),
    "too many alerts": (json.dumps([{"labels": {"alertname": "a"}}] * 10_001).encode(), 413),
    "random bytes": (bytes(range(256)) * 50, 400),
}  # fmt: skip


@contextmanager
def running(folder: Path) -> Iterator[tuple[RouterProcess, WebhookReceiver]]:
    """The router with tokens, and its receiver."""
    with WebhookReceiver() as receiver:
        file = folder / "alerts.yaml"
        key = base64.b64encode(KEY).decode()
        file.write_text(textwrap.dedent(RULES.format(token=TOKEN, key=key, url=receiver.url)))
        with RouterProcess(file) as router:
            yield router, receiver


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """One process for all of these: each test leaves it well."""
    with running(tmp_path_factory.mktemp("hostile")) as (started, _):
        yield started
        assert started.client.get("/healthz").status_code == 200


def memory(router: RouterProcess) -> int:
    """Megabytes that the process holds."""
    status = Path(f"/proc/{router.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) // 1024


def is_well(router: RouterProcess) -> bool:
    """It takes an ordinary alert at once."""
    began = time.monotonic()
    answer = router.client.post("/api/v2/alerts", content=GOOD, headers=JSON)
    return answer.status_code == 200 and time.monotonic() - began < 5


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("what", HOSTILE)
def test_nonsense_is_a_clear_4xx(router: RouterProcess, path: str, what: str):
    """A status that says what is wrong, in words, and the next sender is served."""
    body, expected = HOSTILE[what]
    answer = router.client.post(path, content=body, headers=JSON)
    allowed = {expected} if expected else {200, 202, 400}
    allowed |= {200, 202, 400} if what in ("too many alerts", "one key twice", "empty") else set()
    allowed |= {400, 413, 415} if path in ("/v1/traces", "/v1/metrics") else set()
    allowed |= {200} if path in ("/v1/traces", "/v1/metrics") and what == "bytes that are no UTF-8" else set()
    assert answer.status_code in allowed, answer.text
    assert answer.status_code < 300 or answer.json()
    assert is_well(router)


ODD = {
    "an end that its zone shifts out of the calendar": ("/api/v2/alerts", [{"endsAt": "9999-12-31T23:59:59-14:00"}]),
    "a start that its zone shifts out of it": ("/api/v2/alerts", [{"startsAt": "9999-12-31T23:59:59.9-14:00"}]),
    "a start before the year 1": ("/ingest/alertmanager", {"alerts": [{"startsAt": "0001-01-01T00:00:00+14:00"}]}),
    "null for what is empty": (
        "/ingest/alertmanager",
        {"alerts": [{"annotations": None, "fingerprint": None, "status": None, "endsAt": None, "generatorURL": None}]},
    ),
    "half a surrogate pair in a name": ("/ingest/alertmanager", {"alerts": [{"annotations": {"a\ud800\0": "\udfff"}}]}),
    "resolved before it fired": (
        "/api/v2/alerts",
        [{"endsAt": "2020-01-01T00:00:00Z", "startsAt": "2026-01-01T00:00:00Z"}],
    ),
    "thousands of the same": ("/api/v2/alerts", [{}] * 2_500),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_what_is_odd_is_taken_and_decided(router: RouterProcess, what: str):
    """What must not be refused does not stop the router either: it is decided, and everything can still be read."""
    path, body = ODD[what]
    for alert in body["alerts"] if isinstance(body, dict) else body:
        alert["labels"] = {"alertname": what, "severity": "critical"}
    answer = router.client.post(path, content=json.dumps(body).encode(), headers=JSON)
    assert answer.status_code in (200, 202), answer.text
    wait_until(lambda: "\nllmtrace_router_alerts_undecided 0\n" in router.client.get("/metrics").text, "it is decided")
    assert router.client.get("/healthz").status_code == 200
    assert router.client.get("/api/v1/alerts").json()["alerts"][0]["labels"]["alertname"] == what


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), body=st.binary(max_size=400), protobuf=st.booleans())
def test_random_bytes_never_break_it(router: RouterProcess, path: str, body: bytes, protobuf: bool):
    """Whatever the bytes say: a 2xx or a 4xx."""
    answer = router.client.post(path, content=body, headers=PROTOBUF if protobuf else JSON)
    assert answer.status_code // 100 in (2, 4)


def test_bombs_and_large_bodies_do_not_grow_it(router: RouterProcess):
    """Gzip bombs and bodies of fifty megabytes leave the process as large as before, give or take."""
    bomb = gzip.compress(bytes(200_000_000), 9)
    assert is_well(router)

    def attack(times: int) -> None:
        for _ in range(times):
            for path, body, more in (
                ("/ingest/arize", bomb, {"content-encoding": "gzip"}),
                ("/api/v2/alerts", LARGE, {}),
            ):
                assert router.client.post(path, content=body, headers={**JSON, **more}).status_code == 413

    attack(2)
    before = memory(router)
    attack(4)
    assert memory(router) < before + 40
    assert is_well(router)


def raw(router: RouterProcess, *parts: bytes) -> bytes:
    """What comes back for these bytes until the router closes, or has answered."""
    with socket.create_connection(("127.0.0.1", int(router.client.base_url.port or 0)), timeout=20) as one:
        for part in parts:
            one.sendall(part)
        answer = b""
        while not answer.endswith(b"}") and (more := one.recv(65_536)):
            answer += more
        return answer


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
@pytest.mark.parametrize("cut", [0, 40, -10])
def test_who_would_speak_another_protocol_is_served_in_this_one(router: RouterProcess, protocol: bytes, cut: int):
    """Java's client asks for HTTP/2 with its first POST: the body is read all the same, in one piece or in two."""
    request = b"".join([
        b"POST /api/v2/alerts HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade, HTTP2-Settings\r\n",
        b"upgrade: %s\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n" % protocol,
        b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n" % (TOKEN.encode(), len(GOOD)),
        GOOD,
    ])  # fmt: skip
    answer = raw(router, request[:cut], request[cut:])
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b'{"accepted":1}')
    assert raw(router, b"CONNECT x:1 HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").startswith(b"HTTP/1.1 4")


def send_long(one: socket.socket, line: bytes) -> None:
    """Some thirty megabytes."""
    for _ in range(2_000):
        one.sendall(line * 1_000)


@pytest.mark.parametrize("start", [b"POST /", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nx: "])
def test_a_head_without_end_is_cut_off(router: RouterProcess, start: bytes):
    """Before anybody knows who sends it: memory stays as it was."""
    before, line = memory(router), b"x-a: abcdefgh\r\n" if start.endswith(b"\n") else b"a" * 15
    with socket.create_connection(("127.0.0.1", int(router.client.base_url.port or 0)), timeout=20) as one:
        one.sendall(start)
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_long(one, line)
    assert memory(router) < before + 20
    assert is_well(router)


def test_who_may_not_send_is_not_even_read(router: RouterProcess):
    """A wrong token or none is a 401, however large the body; nothing of it is kept."""
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic eDp5"}, {"authorization": ""}):
        for path in PATHS:
            answer = router.client.post(path, content=LARGE[:9_000_000], headers=headers)
            assert answer.status_code == 401
    assert is_well(router)


def test_a_signature_counts_once_and_not_for_long(router: RouterProcess):
    """Wrong, old and repeated signatures: 401, 401, and taken only once."""

    def post(identifier: str, at: float, body: bytes, key: bytes = KEY) -> httpx.Response:
        stamp = str(int(at))
        signed = hmac.digest(key, b".".join((identifier.encode(), stamp.encode(), body)), hashlib.sha256)
        signature = "v1," + base64.b64encode(signed).decode()
        headers = {"webhook-id": identifier, "webhook-timestamp": stamp, "webhook-signature": signature}
        return router.client.post("/ingest/generic", content=body, headers=headers)

    body, now = b'{"name": "signed", "severity": "critical"}', time.time()
    assert post("a", now, body, b"x" * 32).status_code == 401
    assert post("a", now - 3_600, body).status_code == 401
    assert post("a", now, body).json() == {"accepted": 1}
    assert post("a", now, body).json() == {"accepted": 0}
    assert router.client.post("/ingest/generic", content=body).status_code == 401


@pytest.mark.full
def test_slow_senders_are_cut_off_and_hold_nobody_up(router: RouterProcess):
    """Two hundred connections that send a byte a second, in the head and in the body; others are served meanwhile."""
    port = int(router.client.base_url.port or 0)
    start = "POST /api/v2/alerts HTTP/1.1\r\nhost: 127.0.0.1\r\n"
    whole = f"{start}authorization: Bearer {TOKEN}\r\ncontent-length: 1000\r\n\r\n["
    heads = (f"{start}x: ".encode(), whole.encode())
    slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    for number, one in enumerate(slow):
        one.sendall(heads[number % 2])
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(1):
            for one in slow:
                try:
                    one.sendall(b" ")
                except OSError:
                    continue

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        for _ in range(20):
            assert is_well(router)
        wait_until(lambda: all(_is_closed_or_answered(one) for one in slow), "all are cut off", deadline=40)
    finally:
        ended.set()
        dripping.join()
        for one in slow:
            one.close()


def _is_closed_or_answered(one: socket.socket) -> bool:
    one.settimeout(0.01)
    try:
        answer = one.recv(4_096, socket.MSG_PEEK)
    except TimeoutError:
        return False
    except OSError:
        return True
    return answer == b"" or answer.startswith(b"HTTP/1.1 408")


def test_neither_content_nor_secrets_are_stored(tmp_path: Path):
    """Canaries in every place that a sender can fill: none is in a file of the store, nor in what is told or logged."""
    secret = "sk-proj-" + "A1b2C3d4E5f6G7h8" * 3
    with running(tmp_path) as (router, receiver):
        bodies = {
            "/api/v2/alerts": [{"labels": {"alertname": "a", "severity": "critical"},
                                "annotations": {"summary": f"failed with key {secret}"},
                                "generatorURL": f"https://x:{secret}@prometheus/graph?token={secret}"}],
            "/ingest/alertmanager": {"version": "4", "alerts": [{
                "status": "firing", "labels": {"alertname": "b", "severity": "critical"},
                "annotations": {"description": f"Authorization: Bearer {secret}"}, "prompt": "CONTENT-CANARY"}]},
            "/ingest/arize": {"monitor_name": "c", "severity": "critical", "api_key": secret,
                              "inputs": "CONTENT-CANARY", "messages": ["CONTENT-CANARY"],
                              "description": f"see postgres://u:{secret}@db/x"},
        }  # fmt: skip
        for path, body in bodies.items():
            assert router.client.post(path, content=json.dumps(body), headers=JSON).status_code in (200, 202)
        wait_until(lambda: len(receiver.accepted) >= 3, "all are told")
        wait_until(lambda: all(row["state"] == "delivered" for row in router.get("deliveries")), "receipts are kept")
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file() and file.name != "alerts.yaml")
    told = b"".join(got.raw for got in receiver.received)
    for canary in (secret.encode(), b"CONTENT-CANARY", TOKEN.encode()):
        assert canary not in kept
        assert canary not in told
