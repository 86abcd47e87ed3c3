"""Where spans go over OTLP/HTTP: the address, the headers, and the connection that obeys the settings."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from llmtrace._connection import Connection
from llmtrace._trust import prepare, trusted


@dataclass(frozen=True, slots=True)
class Destination:
    """Where spans go, and how."""

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout: float = 10.0
    compression: str | None = None
    certificate: str | None = None
    client_certificate: str | None = None
    client_key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        prepare(self.url)

    @property
    def shown(self) -> str:
        """The address without credentials, for log lines."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()

    @property
    def compresses(self) -> bool:
        """Whether gzip pays: where nothing is set, anywhere but on this machine, where it costs more than it saves."""
        if self.compression is None:
            return urlsplit(self.url).hostname not in _THIS_MACHINE
        return self.compression == "gzip"

    def client(self) -> Connection:
        """A connection that obeys the settings."""
        headers = {"user-agent": "llmtrace-otel", **self.headers, "content-type": "application/x-protobuf"}
        return Connection(self.url, headers, timeout=self.timeout, tls=self._tls)

    def _tls(self) -> ssl.SSLContext | None:
        context = trusted(self.url, self.certificate)
        if context is not None and self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context


_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})

THREAD_PREFIX: Final = "llmtrace-"
"""The names of llmtrace's own threads begin with this."""
