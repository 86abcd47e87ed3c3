"""One HTTP connection: kept, timed, bounded, trusted, and through a proxy."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import pytest
from certifi import where
from otlp_sink import Answer, free_port, otlp_sink

from llmtrace._connection import Connection, UnreachableError, UnsupportedProxyError
from llmtrace.exporters.destination import Destination

pytest_plugins = ("core_fixtures",)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[socket.socket], None]


@contextmanager
def server(*serve: Serve) -> Iterator[int]:
    """A server whose connections are served by these functions, one after the other; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)

        def run() -> None:
            for each in serve:
                connection, _ = listening.accept()
                with connection, suppress(OSError):
                    each(connection)

        thread = threading.Thread(target=run)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)
        assert not thread.is_alive()


def head_of(connection: socket.socket) -> str:
    """What comes until the empty line."""
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        assert piece
        head += piece
    return head.decode()


def answering(*answers: bytes, seen: list[str] | None = None) -> Serve:
    """Serves a request with each answer, then closes."""

    def serve(connection: socket.socket) -> None:
        for answer in answers:
            head = head_of(connection)
            if seen is not None:
                seen.append(head)
            connection.sendall(answer)

    return serve


def get(port: int, timeout: float = 5.0, **arguments) -> tuple[int, bytes]:
    """The answer to one request."""
    url = f"http://127.0.0.1:{port}/"
    with Connection(url, timeout=timeout, trust_env=False) as connection:
        reply = connection.request("GET", url, **arguments)
    return reply.status, reply.body


def test_a_connection_is_kept():
    """Requests one after the other use one connection."""
    with otlp_sink() as sink, Connection(sink.url, timeout=5) as connection:
        for number in range(5):
            assert connection.request("POST", f"{sink.url}/{number}", b"").is_success
        assert sink.connections == 1


def test_a_connection_that_the_server_closed_is_opened_again():
    """A server that closes what is idle costs no request."""
    with server(answering(OK), answering(OK)) as port:
        url = f"http://127.0.0.1:{port}/"
        with Connection(url, timeout=5) as connection:
            assert connection.request("GET", url).body == b"ok"
            assert connection._http is not None
            connection._http.sock.settimeout(5)
            assert connection._http.sock.recv(1, socket.MSG_PEEK) == b""
            assert connection.request("GET", url).body == b"ok"


def closing_under_a_request(connection: socket.socket) -> None:
    """Serves one request, and closes when the next has come."""
    answering(OK)(connection)
    head_of(connection)


def test_a_connection_that_is_closed_while_a_request_is_on_its_way_is_opened_again():
    """The idle time of a server may end at the very moment of a request: that is no trouble, and costs no wait."""
    seen: list[str] = []
    with server(closing_under_a_request, answering(OK, seen=seen)) as port:
        url = f"http://127.0.0.1:{port}/"
        with Connection(url, timeout=5) as connection:
            assert connection.request("GET", url).body == b"ok"
            assert connection.request("POST", url, b"all of it").body == b"ok"
    (head,) = seen
    assert "Content-Length: 9" in head


def test_a_new_connection_that_is_closed_is_an_error():
    """A server that closes on every request is not asked twice."""
    with server(head_of) as port, pytest.raises(ConnectionError):
        get(port)


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n" + OK, b"ok"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000, b"x" * 100),
    ],
)
def test_an_answer_is_read_as_far_as_it_is_of_interest(answer, body):
    """In every form that HTTP/1.1 has, and no more of it than was asked for."""
    with server(answering(answer)) as port:
        status, read = get(port, most=100)
    assert status in (200, 204)
    assert read == body


@pytest.mark.parametrize("answer", [b"", b"\xff" * 50, b"HTTP/1.1 two hundred\r\n\r\n"])
def test_what_is_no_answer_is_an_error(answer):
    """A broken server is an exception of the two kinds that are expected."""
    with server(answering(answer)) as port, pytest.raises((OSError, HTTPException)):
        get(port)


def trickling(piece: bytes) -> Serve:
    """Serves without an end, a piece at a time."""

    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return serve


@pytest.mark.parametrize("piece", [b"X-Header: y\r\n", b"x", b"\r\n\r\n" + b"x" * 10])
def test_an_answer_that_trickles_ends_in_time(piece):
    """However small the steps in which it comes: in the header, in one line, in the body."""
    with server(trickling(piece)) as port:
        began = time.monotonic()
        with pytest.raises((TimeoutError, HTTPException)):
            get(port, timeout=0.4, most=10**9)
        assert time.monotonic() - began < 4.5


@pytest.mark.parametrize("head", [b"Content-Length: 9", b"Transfer-Encoding: chunked\r\n\r\n9", b"Content-Length: -9"])
def test_a_head_is_an_answer_where_nobody_needs_the_body(head):
    """A server that is cut off, or miscounts, has still said what it did; it costs the connection."""

    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\n" + head + b"\r\n\r\nx")
        connection.settimeout(5)
        assert not connection.recv(1)

    with server(serve) as port:
        assert get(port, timeout=0.4, needs_body=False)[0] == 413


def test_a_body_that_nobody_reads_ends_in_time():
    """A server that stops reading costs the given time."""
    over = threading.Event()
    with server(lambda _: over.wait(10) and None) as port:
        url = f"http://127.0.0.1:{port}/"
        began = time.monotonic()
        with Connection(url, timeout=5) as connection, pytest.raises(TimeoutError):
            connection.request("POST", url, b"x" * 50_000_000, timeout=0.4)
        assert time.monotonic() - began < 4.5
        over.set()


def test_a_refusal_that_comes_before_the_body_is_read_is_seen():
    """A server that says 413 and closes, while we are still sending, is understood."""

    def refuse(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        for _ in range(20):  # some of it, so that the reset does not overtake the answer
            connection.recv(65536)

    with server(refuse) as port:
        url = f"http://127.0.0.1:{port}/"
        with Connection(url, timeout=5) as connection:
            assert connection.request("POST", url, b"x" * 300_000).status == 413


def test_nobody_there_is_told_from_silence():
    """A refused connection is no timeout, and its cause is kept."""
    with pytest.raises(UnreachableError) as caught:
        get(free_port())
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        get(silent.getsockname()[1], timeout=0.2)


def test_a_dead_address_of_a_host_leaves_time_for_the_next(monkeypatch):
    """Of several addresses one may take no connection, and not refuse one either."""
    with socket.create_server(("127.0.0.2", 0), backlog=0) as dead, suppress(OSError):
        port = dead.getsockname()[1]
        full = [socket.socket() for _ in range(3)]  # so many wait to be accepted that no more are taken
        for each in full:
            each.setblocking(False)
            with suppress(BlockingIOError):
                each.connect(("127.0.0.2", port))
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.0.0.2", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        with otlp_sink(port) as sink, Connection(f"http://phoenix.invalid:{port}", timeout=2) as connection:
            for _ in range(2):
                assert connection.request("POST", f"http://phoenix.invalid:{port}/v1/traces", b"").is_success
                connection.close()
            assert sink.connections == 2
        for each in full:
            each.close()


@pytest.mark.parametrize("url", ["", "host", "ftp://host/", "http://", "http://host:port/"])
def test_what_is_no_address_is_said_at_once(url):
    """Before anything is sent."""
    with pytest.raises(ValueError, match=r"."):
        Connection(url, timeout=1)


def test_the_users_and_our_headers_arrive():
    """Those of the connection, of the request, and the user in the address; its fragment stays here."""
    seen: list[str] = []
    with server(answering(OK, seen=seen)) as port:
        url = f"http://us%40er:p%3Aw@127.0.0.1:{port}/path?key=1#part"
        with Connection(url, {"x-one": "1"}, timeout=5) as connection:
            connection.request("POST", url, b"", {"x-two": "2"})
    (head,) = seen
    assert head.startswith("POST /path?key=1 HTTP/1.1\r\n")
    lines = head.lower().splitlines()
    assert {"x-one: 1", "x-two: 2", f"host: 127.0.0.1:{port}"} <= set(lines)
    assert f"authorization: Basic {b64encode(b'us@er:p:w').decode()}" in head


def test_plain_requests_go_through_a_proxy_by_their_whole_address(monkeypatch):
    """With the proxy's user, and without the target's in the address."""
    seen: list[str] = []
    with server(answering(OK, OK, seen=seen)) as port:
        monkeypatch.setenv("http_proxy", f"http://me:pw@127.0.0.1:{port}")
        url = "http://user:secret@phoenix.invalid/v1/traces?a=1"
        with Connection(url, timeout=5) as connection:
            assert connection.request("POST", url, b"").body == b"ok"
            assert connection.request("POST", url, b"").body == b"ok"
    assert seen[0].startswith("POST http://phoenix.invalid/v1/traces?a=1 HTTP/1.1\r\n")
    assert "host: phoenix.invalid" in seen[0].lower()
    assert f"proxy-authorization: Basic {b64encode(b'me:pw').decode()}" in seen[0]
    assert "authorization: Basic " + b64encode(b"user:secret").decode() in seen[0]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "http://[::1", "http://proxy:port", "http://"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_of_another_kind_is_an_error_at_each_request(monkeypatch, scheme, proxy):
    """Spans do not go around a proxy that somebody has set, and no thread ends of one that is no address."""
    monkeypatch.setenv("ALL_PROXY", proxy)
    url = f"{scheme}://phoenix.invalid"
    with Connection(url, timeout=5) as connection, pytest.raises(UnreachableError) as caught:
        connection.request("GET", url)
    assert isinstance(caught.value.__cause__, UnsupportedProxyError)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> tuple[str, str]:
    """A key and a certificate for localhost, which no authority has signed."""
    folder = tmp_path_factory.mktemp("tls")
    key, made = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", made, "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    return str(key), str(made)


def tls(certificate: tuple[str, str], serve: Serve) -> Serve:
    """The same over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate[1], certificate[0])

    def served(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            serve(wrapped)

    return served


def test_https_believes_the_certificate_that_was_set(certificate):
    """Its own authority, for that name."""
    with server(tls(certificate, answering(OK))) as port:
        url = f"https://localhost:{port}/v1/traces"
        with Destination("backend", url, certificate=certificate[1]).client() as connection:
            assert connection.request("POST", url, b"").body == b"ok"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_https_believes_nobody_else(certificate, host):
    """An unknown authority, or another name, is no connection."""
    believed = certificate[1] if host == "127.0.0.1" else None
    with server(tls(certificate, answering(OK))) as port:
        url = f"https://{host}:{port}/v1/traces"
        with Destination("backend", url, certificate=believed).client() as connection:
            with pytest.raises(UnreachableError) as caught:
                connection.request("POST", url, b"")
            assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)


def test_certificates_that_are_renewed_are_read_again(certificate, tmp_path):
    """A file that is not there yet, or has expired meanwhile, costs no restart of the app."""
    believed = tmp_path / "authorities.pem"
    with server(*[tls(certificate, answering(OK))] * 2) as port:
        url = f"https://localhost:{port}/v1/traces"
        with Destination("backend", url, certificate=str(believed)).client() as connection:
            for content in (None, Path(where()).read_text()):
                if content is not None:
                    believed.write_text(content)
                with pytest.raises(UnreachableError):
                    connection.request("POST", url, b"")
            believed.write_text(Path(certificate[1]).read_text())
            assert connection.request("POST", url, b"").body == b"ok"


def test_the_environments_authorities_are_believed(certificate, monkeypatch):
    """SSL_CERT_FILE, as OpenSSL has it."""
    monkeypatch.setenv("SSL_CERT_FILE", certificate[1])
    with server(tls(certificate, answering(OK))) as port:
        url = f"https://localhost:{port}/v1/traces"
        with Destination("backend", url).client() as connection:
            assert connection.request("POST", url, b"").body == b"ok"


def test_https_goes_through_a_tunnel_of_the_proxy(certificate, monkeypatch):
    """The proxy sees the host and its own password, and nothing of the request."""
    seen: list[str] = []

    def proxy(connection: socket.socket) -> None:
        seen.append(head_of(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        tls(certificate, answering(OK, seen=seen))(connection)

    with server(proxy) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"http://me:pw@127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "")
        url = "https://localhost/v1/traces"
        with Destination("b", url, {"x-key": "secret"}, certificate=certificate[1]).client() as connection:
            assert connection.request("POST", url, b"").body == b"ok"
    tunnel, request = seen
    assert re.match(r"CONNECT localhost:443 HTTP/1\.[01]\r\n", tunnel)
    assert f"proxy-authorization: Basic {b64encode(b'me:pw').decode()}" in tunnel
    assert "secret" not in tunnel
    assert request.startswith("POST /v1/traces HTTP/1.1")
    assert "proxy-authorization" not in request


def test_a_proxy_that_lets_nobody_through_is_no_connection(monkeypatch):
    """Spans wait, as for a backend that is away."""
    with server(answering(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")) as port:
        monkeypatch.setenv("HTTPS_PROXY", f"127.0.0.1:{port}")
        monkeypatch.setenv("NO_PROXY", "")
        with Destination("b", "https://phoenix.invalid/").client() as connection, pytest.raises(UnreachableError):
            connection.request("GET", "https://phoenix.invalid/")


def test_a_redirect_is_an_answer():
    """It is not followed."""
    with otlp_sink() as sink, Connection(sink.url, timeout=5) as connection:
        sink.answers.append(Answer(307, {"location": f"{sink.url}/elsewhere"}))
        reply = connection.request("POST", f"{sink.url}/here", b"")
        assert reply.status == 307
        assert reply.headers["location"].endswith("/elsewhere")
        assert [request.path for request in sink.requests] == ["/here"]
