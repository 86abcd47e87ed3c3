"""One HTTP/1.1 connection to one host, kept open between requests: what sending needs of HTTP, on the standard library.

For one thread. It follows no redirect, keeps no cookies, tries nothing twice but what met a kept connection that was
closed at that moment, and ends a request at its time, wherever that stands. Nothing here is shared with the
application's own clients: no instrumentation or mock of theirs meets it, and no library that they look for in
``sys.modules`` is imported by a thread of ours.
"""

from __future__ import annotations

import http.client
import io
import os
import select
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import SplitResult, unquote, urlsplit

from llmtrace._proxy import proxy_for

LONGEST_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read where nothing else is asked for; one that is longer costs the connection."""
_PIECE: Final = 256 * 1024
"""The same over TLS; a plain socket looks itself."""
_NEARLY: Final = 0.1
"""Seconds by which an operation may take longer, so that not each of them has to be told how long: that lets another
thread have the interpreter, as every call of the system does, and where threads compute it comes back late."""
_SUCCESS: Final = range(200, 300)


class UnreachableError(Exception):
    """There is no connection; `__cause__` says why: refused, no such host, a certificate that is not believed ..."""


class UnsupportedProxyError(Exception):
    """The environment names a proxy that is no HTTP proxy, such as one that speaks SOCKS, or no address at all."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether it is a 2xx."""
        return self.status in _SUCCESS


class Connection:
    """Opened by the first request, and again where the server has closed it meanwhile.

    Args:
        url: an address on the host; its user and password go along, its path is of no matter.
        headers: of every request.
        timeout: seconds that a request may take, from connecting to the end of the answer.
        tls: makes what says whom to believe, for https. Asked again after a failure of TLS: certificates are renewed.
        trust_env: whether a proxy that the environment names is used.

    Raises:
        ValueError: the address is none.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float,
        tls: Callable[[], ssl.SSLContext | None] = lambda: None,
        trust_env: bool = True,
    ) -> None:
        address = urlsplit(url)
        if address.scheme not in _PORTS or not address.hostname:
            raise ValueError("no address of http or https")
        proxy = proxy_for(address, os.environ) if trust_env else None
        self._address = address
        self._port = address.port or _PORTS[address.scheme]
        self._proxy = proxy
        self._tls = tls
        self._timeout = timeout
        self._headers = {"accept": "*/*", **(headers or {}), **_credentials("authorization", address)}
        self._is_absolute = proxy is not None and address.scheme == "http"
        self._http: _Http | _Https | None = None
        "".encode("idna")  # a codec that is imported when a host is first looked up, else by the request

    def _made(self) -> _Http | _Https:
        if self._proxy is None:
            return _made(self._address, self._tls())
        proxy = _address_of(self._proxy)
        credentials = _credentials("proxy-authorization", proxy)
        if self._is_absolute:
            self._headers |= credentials
            return _made(proxy, None)
        made = _made(proxy._replace(scheme="https"), self._tls(), proxy.port or _PORTS["http"])
        host = self._address.hostname or ""
        made.set_tunnel(host, self._port, {"Host": f"{host}:{self._port}", **credentials})
        return made

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def request(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        most: int = LONGEST_ANSWER,
        needs_body: bool = True,
    ) -> Reply:
        """Send one request and read its answer.

        Args:
            method: GET, POST ...
            url: on the host that the connection is for.
            body: what to send.
            headers: in addition.
            timeout: seconds, where not those of the connection.
            most: bytes of the answer that are read.
            needs_body: False: an answer that breaks off behind its head is one, without a body.

        Raises:
            UnreachableError: there is no connection.
            OSError: it broke; TimeoutError where the time was over.
            http.client.HTTPException: what came is no HTTP.
        """
        try:
            http_client = self._http = self._http or self._made()
        except (OSError, UnsupportedProxyError) as error:
            raise UnreachableError from error
        http_client.deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        sent = method, self._target(url), body, {**self._headers, **(headers or {})}
        read = most, needs_body
        try:
            was_kept = self._open(http_client)
            try:
                return self._exchange(http_client, *sent, *read)
            except (http.client.RemoteDisconnected, ConnectionResetError):
                if not was_kept:
                    raise
            http_client.close()  # the server closed what was idle, while the request was on its way
            self._open(http_client)
            return self._exchange(http_client, *sent, *read)
        except BaseException as error:
            http_client.close()
            if isinstance(error.__cause__ or error, ssl.SSLError):
                self._http = None
            raise

    def close(self) -> None:
        """Close the connection; a further request would open another."""
        if self._http is not None:
            self._http.close()

    def _target(self, url: str) -> str:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return parts._replace(
            scheme=parts.scheme if self._is_absolute else "",
            netloc=host if self._is_absolute else "",
            path=parts.path or "/",
            fragment="",
        ).geturl()

    def _open(self, client: _Http | _Https) -> bool:
        """Make sure of a connection; whether it is one that was kept."""
        if client.sock is not None and _is_readable(client.sock):
            client.close()  # between two answers there is nothing to read but the end
        if client.sock is not None:
            return True
        try:
            client.connect()
        except TimeoutError:
            raise
        except OSError as error:
            raise UnreachableError from error
        return False

    def _exchange(
        self,
        client: _Http | _Https,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        most: int,
        needs_body: bool,
    ) -> Reply:
        with suppress(BrokenPipeError, ConnectionResetError):
            # A server that refuses a body may answer, and close, before it has read it.
            client.request(method, target, body, headers)
        response = client.getresponse()
        content = b""
        try:
            content = response.read(most)
        except (OSError, http.client.HTTPException):
            if needs_body:
                raise
            client.close()
        if not response.isclosed():
            response.close()
            client.close()
        return Reply(response.status, {name.lower(): value for name, value in response.headers.items()}, content)


_PORTS: Final = {"http": 80, "https": 443}


class _Punctual(http.client.HTTPConnection):
    """Every operation on the socket gets what is left of the time."""

    deadline = 0.0
    piece = 1 << 62
    """Bytes of a request between two looks at the clock."""
    _reached: Any = None

    def connect(self) -> None:
        self.timeout = self.left()
        self._create_connection = self._reach
        super().connect()

    def _reach(self, address: tuple[str, int], *_: Any) -> socket.socket:
        """The first of the host's addresses that answers. Each gets its share of the time: one of them may be dead."""
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
        found.sort(key=lambda entry: entry[4] != self._reached)
        trouble: OSError | None = None
        for number, (family, kind, protocol, _name, where) in enumerate(found):
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(self.left() / (len(found) - number))
                sock.connect(where)
            except OSError as error:
                sock.close()
                trouble = error
            else:
                self._reached = where
                return sock
        raise trouble or OSError("no address")

    def left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def send(self, data: Any) -> None:
        view = memoryview(data)
        for start in range(0, len(view), self.piece):
            self.be_punctual(self.sock)
            self.sock.sendall(view[start : start + self.piece])

    def be_punctual(self, sock: socket.socket) -> None:
        """The next operation gets what is left of the time."""
        left, given = self.left(), sock.gettimeout()
        if given is None or not left <= given <= left + _NEARLY:
            sock.settimeout(left)

    def response_class(  # type: ignore[override]  # http.client calls it, whatever it is
        self, sock: socket.socket, *args: Any, **kwargs: Any
    ) -> http.client.HTTPResponse:
        response = _Response(sock, *args, **kwargs)
        response.fp = io.BufferedReader(_TimedReader(response.fp.detach(), sock, self))
        return response


class _Response(http.client.HTTPResponse):
    """Goes past every 1xx, and not past 100 alone: what follows it is the answer."""

    def begin(self) -> None:
        super().begin()
        while http.client.SWITCHING_PROTOCOLS < self.status < min(_SUCCESS):
            self.headers = self.msg = None  # type: ignore[assignment] # else there is nothing to begin
            super().begin()


class _Http(_Punctual):
    pass


class _Https(_Punctual, http.client.HTTPSConnection):
    piece = _PIECE


class _TimedReader(io.RawIOBase):
    """An answer that trickles is one that does not come."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, owner: _Punctual) -> None:
        self._raw = raw
        self._sock = sock
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._owner.be_punctual(self._sock)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _made(address: SplitResult, tls: ssl.SSLContext | None, port: int | None = None) -> _Http | _Https:
    host, number = address.hostname or "", port or address.port or _PORTS[address.scheme]
    return _Http(host, number) if address.scheme == "http" else _Https(host, number, context=tls)


def _address_of(proxy: str) -> SplitResult:
    try:
        found = urlsplit(proxy)
        is_usable = found.scheme == "http" and bool(found.hostname) and found.port != 0
    except ValueError as error:
        raise UnsupportedProxyError("no address") from error
    if not is_usable:
        raise UnsupportedProxyError(found.scheme)
    return found


def _credentials(header: str, address: SplitResult) -> dict[str, str]:
    """The user and the password that stand in an address, as a header."""
    if address.username is None and address.password is None:
        return {}
    pair = f"{unquote(address.username or '')}:{unquote(address.password or '')}"
    return {header: f"Basic {b64encode(pair.encode()).decode()}"}


def _is_readable(sock: socket.socket) -> bool:
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))
