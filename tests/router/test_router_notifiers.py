"""The notifiers and what they share: payloads in their published formats, safe addresses, and what an answer means."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
import subprocess
import threading
from datetime import timedelta
from email.utils import format_datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbound import Client, Said
from pydantic import SecretStr
from router_values import NOON, ManualClock, make_alert
from webhook_receiver import WebhookReceiver, check_format

from llmtrace.router.model import Annotation, Delivery, Destination, Group, Notification, Outcome, Reason, Receipt, Tier
from llmtrace.router.notifiers import http
from llmtrace.router.notifiers.address import is_public, is_surely_private
from llmtrace.router.notifiers.console import ConsoleNotifier
from llmtrace.router.notifiers.retry import GIVE_UP_AFTER, LONGEST, settle
from llmtrace.router.notifiers.webhook import WebhookNotifier, WebhookSettings, sign
from llmtrace.router.ports import Toolbox

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANNOTATIONS = {
    Annotation.REASON: "nothing found",
    Annotation.RUNBOOK_URL: "https://runbooks.example.org/r",
    Annotation.SOURCE_URL: "https://monitors.example.org/m/1",
    Annotation.TRACE_URL: "http://phoenix/redirects/traces/abc",
    Annotation.VALUE: "0.4",
    Annotation.THRESHOLD: "0.3",
    Annotation.COUNT: "3",
}


def delivery(*alerts, attempts: int = 0) -> Delivery:
    """Of these alerts, or of one that says everything."""
    full = make_alert(annotations=ANNOTATIONS, environment="prod", model="gpt-x", prompt_version="v7", team="legal",
                      segment_tier="premium")  # fmt: skip
    notification = Notification(
        dedup_key="d" * 32, sequence=2, group=Group("/{}:{}", {"alertname": "retriever-down"}), route="/{}",
        tier=Tier.PAGE, reason=Reason.NEW, decision_id=7, created_at=NOON, alerts=alerts or (full,),
    )  # fmt: skip
    return Delivery(1, Destination("hook", "webhook"), notification, attempts, NOON)


def send(settings: WebhookSettings, *alerts) -> Receipt:
    """One real attempt."""

    async def scenario():
        async with http.open_client() as client:
            tools = Toolbox(
                client, ManualClock(), "http://router", print, lambda incident: f"http://router/ack/{incident}"
            )
            return await WebhookNotifier(settings, tools).send(delivery(*alerts))

    return asyncio.run(scenario())


def test_the_webhook_is_alertmanagers_with_ours_beside_it():
    """The body holds what Alertmanager's receivers read, and how we decided."""
    with WebhookReceiver() as receiver:
        assert send(WebhookSettings(url=receiver.url, allow_private=True)) == Receipt(Outcome.DELIVERED, "HTTP 204")
    body, headers = receiver.received[0].body, receiver.received[0].headers
    assert body["llmtrace"] == {
        "tier": "page", "reason": "new", "dedup_key": "d" * 32, "decision_id": 7, "escalation_step": 0
    }  # fmt: skip
    assert (body["receiver"], body["externalURL"], body["truncatedAlerts"]) == ("hook", "http://router", 0)
    assert body["alerts"][0]["startsAt"] == "2026-11-20T12:00:00Z"
    assert headers["content-type"] == "application/json"
    assert "webhook-id" not in headers


def test_a_secret_signs_as_standard_webhooks_do():
    """A receiver that knows the secret can verify id, time and body; the id is the dedup key and the transition."""
    with WebhookReceiver() as receiver:
        send(WebhookSettings(url=receiver.url, allow_private=True, secret=SECRET))
    (received,) = receiver.received
    identifier, timestamp = received.headers["webhook-id"], received.headers["webhook-timestamp"]
    assert identifier == f"{'d' * 32}.2.{int(NOON.timestamp())}"
    assert timestamp == str(int(NOON.timestamp()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    expected = hmac.new(key, f"{identifier}.{timestamp}.".encode() + received.raw, hashlib.sha256).digest()
    assert received.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()


def test_the_signature_is_that_of_the_published_example():
    """The vector of Standard Webhooks' own documentation comes out."""
    body = b'{"test": 2432232314}'
    moment = NOON.fromtimestamp(1614265330, NOON.tzinfo)
    assert sign("msg_p5jXN8AQM9LWM0D4loKWxJek", moment, body, SecretStr(SECRET)) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_common_is_what_all_alerts_share_and_max_alerts_cuts_the_list():
    """Of three alerts one is shown; the number of the others is said, and they count for what is common."""
    alerts = [make_alert(model=model) for model in "abc"]
    with WebhookReceiver() as receiver:
        send(WebhookSettings(url=receiver.url, allow_private=True, max_alerts=1), *alerts)
    body = receiver.received[0].body
    assert (len(body["alerts"]), body["truncatedAlerts"]) == (1, 2)
    assert body["commonLabels"] == {"alertname": "retriever-down", "severity": "critical", "service": "bot"}
    check_format(body)


def test_a_redirect_is_not_followed():
    """A page does not go where an answer points."""
    with WebhookReceiver() as receiver:
        receiver.scripted.append((302, {"location": receiver.url}))
        receipt = send(WebhookSettings(url=receiver.url, allow_private=True))
    assert receipt == Receipt(Outcome.RETRY, "HTTP 302: redirects are not followed")
    assert len(receiver.received) == 1


def test_nobody_there_is_a_retry_that_names_no_address():
    """A refused connection is a receipt like any other."""
    with WebhookReceiver() as receiver:
        pass
    assert send(WebhookSettings(url=receiver.url, allow_private=True)) == Receipt(Outcome.RETRY, "ClientConnectorError")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.DELIVERED), (202, Outcome.DELIVERED), (204, Outcome.DELIVERED),
        (301, Outcome.RETRY), (401, Outcome.RETRY), (404, Outcome.RETRY), (408, Outcome.RETRY), (429, Outcome.RETRY),
        (500, Outcome.RETRY), (503, Outcome.RETRY), (599, Outcome.RETRY), (101, Outcome.RETRY),
        (400, Outcome.REFUSED), (410, Outcome.REFUSED), (413, Outcome.REFUSED), (422, Outcome.REFUSED),
    ],
)  # fmt: skip
def test_what_an_answer_means(status, outcome):
    """Success ends, what says never ends too, everything else is tried again."""
    assert http.read(status, None, NOON).outcome is outcome


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("0", 0), ("9" * 50, 86_400),
        (format_datetime(NOON + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOON - timedelta(seconds=90), usegmt=True), 0),
        ("soon", None), ("-5", None), ("1.5", None), ("", None), (None, None), ("Fri, 20 Nov 2026 12:00:00", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header, seconds):
    """Both of HTTP's forms are read, at most a day; nonsense is nothing."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert http.read(429, header, NOON).retry_after == expected


@given(st.text(max_size=40))
def test_any_retry_after_can_be_read(header):
    """No header yields an exception."""
    http.read(503, header, NOON)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104 - refused is what it is
        "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::80ff:fffe",
    ],
)  # fmt: skip
def test_private_addresses_are_known_in_all_their_forms(address):
    """Also where an IPv6 address carries a private IPv4 address inside."""
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_public_addresses_are_public(address):
    """So are public ones in IPv6's clothes."""
    assert is_public(address)


@pytest.mark.parametrize(
    ("host", "private"),
    [("localhost", True), ("Printer.Local.", True), ("db.internal", True), ("10.0.0.1", True), ("example.org", False)],
)
def test_what_can_be_refused_without_dns(host, private):
    """Local names and private addresses are seen in the file already."""
    assert is_surely_private(host) is private


def post(url: str, resolve, opened=http.open_client) -> Receipt:
    """One attempt at an address that must be public."""

    async def scenario():
        async with opened() as client:
            return await http.post(client, url, b"{}", {}, NOON, resolve=resolve)

    return asyncio.run(scenario())


@pytest.mark.parametrize("addresses", [[], ["10.0.0.1"], ["8.8.8.8", "127.0.0.1"]])
def test_a_name_with_a_private_address_is_not_called(addresses):
    """Not one address of the host may be private; nothing is sent."""

    async def resolve(_host, _port):
        return addresses

    def refuse(_request):
        raise AssertionError

    receipt = post("https://hook.example.org/x", resolve, lambda: Client(refuse))
    assert receipt.outcome is Outcome.RETRY
    assert "allow_private" in receipt.detail


def test_a_name_that_does_not_resolve_is_a_retry():
    """DNS may be out of order for a while."""

    async def resolve(_host, _port):
        raise OSError

    assert post("https://hook.example.org/x", resolve).outcome is Outcome.RETRY


@pytest.fixture
def tls_server(tmp_path):
    """A real TLS server with a certificate for hook.example.org: its port, the certificate, the Host headers."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=hook.example.org",
         "-addext", "subjectAltName=DNS:hook.example.org"],
        check=True, capture_output=True,
    )  # fmt: skip
    hosts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            hosts.append(self.headers["host"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    class Server(HTTPServer):
        def handle_error(self, *_):
            """A client that does not like the certificate hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port, certificate, hosts
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("name", "outcome"), [("hook", Outcome.DELIVERED), ("other", Outcome.RETRY)])
def test_the_address_that_was_checked_is_called_under_the_name_of_the_url(tls_server, monkeypatch, name, outcome):
    """We connect to the checked address itself, while TLS and the Host header still mean the name, and are verified."""
    port, certificate, hosts = tls_server
    monkeypatch.setattr(http, "is_public", lambda address: address == "127.0.0.1")

    async def resolve(_host, _port):
        return ["127.0.0.1"]

    trusting = partial(http.open_client, ssl.create_default_context(cafile=certificate))
    assert post(f"https://{name}.example.org:{port}/x", resolve, trusting).outcome is outcome
    assert hosts == ([f"hook.example.org:{port}"] if outcome is Outcome.DELIVERED else [])


def test_an_ipv6_address_can_be_called():
    """The checked address stands in brackets in the URL."""
    seen = []

    async def resolve(_host, _port):
        return ["2606:4700::1111"]

    def answer(asked):
        seen.append((asked.url.host, asked.headers["host"], asked.server_hostname))
        return Said()

    assert post("https://hook.example.org/x", resolve, lambda: Client(answer)).outcome is Outcome.DELIVERED
    assert seen == [("2606:4700::1111", "hook.example.org", "hook.example.org")]


def printed(*alerts) -> str:
    """What the console shows of a page."""
    lines: list[str] = []
    receipt = asyncio.run(ConsoleNotifier(lines.append).send(delivery(*alerts)))
    assert receipt == Receipt(Outcome.DELIVERED, "printed")
    return "\n".join(lines)


def test_the_console_page_says_what_a_person_must_know():
    """What, how bad, where, which model and segment, the trace, the runbook and where it comes from."""
    page = printed()
    assert page.startswith("[page] CRITICAL retriever-down in bot\n")
    for text in (
        "nothing found", "critical, value 0.4, threshold 0.3, 3 times", "bot", "prod", "gpt-x", "v7", "legal",
        "premium", "http://phoenix/redirects/traces/abc", "https://runbooks.example.org/r", "https://monitors.example.org/m/1",
        "new by /{}",
    ):  # fmt: skip
        assert text in page


def test_the_console_names_the_others_of_a_group():
    """The title counts them and each has its name."""
    page = printed(make_alert(model="a"), make_alert("info", alertname="slow"))
    assert "(and 1 more)" in page
    assert "  - slow" in page


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_nothing_that_a_sender_writes_steers_the_terminal(text):
    """No control character but our own line ends reaches the output."""
    page = printed(make_alert(annotations={Annotation.REASON: "x" + text}, team="y" + text))
    assert all(line.isprintable() for line in page.split("\n"))
    assert len(page.split("\n")) == len(printed(make_alert(annotations={Annotation.REASON: "x"}, team="y")).split("\n"))


def test_an_output_that_is_gone_is_a_retry():
    """A closed pipe does not stop the router."""

    def broken(_text):
        raise BrokenPipeError

    receipt = asyncio.run(ConsoleNotifier(broken).send(delivery()))
    assert receipt == Receipt(Outcome.RETRY, "BrokenPipeError")


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_waits_grow_are_spread_and_stay_bounded(attempts, jitter):
    """From half a second up to five minutes, whatever the number of attempts."""
    attempt = settle(delivery(attempts=attempts), Receipt(Outcome.RETRY, ""), NOON, jitter)
    wait = attempt.retry_at - NOON
    assert timedelta(seconds=0.5) <= wait <= LONGEST
    assert wait >= min(timedelta(seconds=2 ** min(attempts, 9)), LONGEST) / 2


def test_a_retry_beyond_the_last_day_is_given_up():
    """What could not be delivered in three days ends with that reason."""
    attempt = settle(delivery(), Receipt(Outcome.RETRY, "HTTP 500"), NOON + GIVE_UP_AFTER, 0)
    assert (attempt.receipt.outcome, attempt.retry_at) == (Outcome.GAVE_UP, None)
