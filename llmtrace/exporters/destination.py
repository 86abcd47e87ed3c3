"""Where spans go over OTLP/HTTP: the address, the headers, and the HTTP client that obeys the settings.

httpx is imported here and not by the thread that sends: libraries that look for it in ``sys.modules``, as the openai
SDK does, would find it half imported and fail the app's call.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx


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

    @property
    def shown(self) -> str:
        """The address without credentials, for log lines."""
        return str(httpx.URL(self.url).copy_with(userinfo=b"", query=None))

    @property
    def compresses(self) -> bool:
        """Whether gzip pays: where nothing is set, anywhere but on this machine, where it costs more than it saves."""
        if self.compression is None:
            return httpx.URL(self.url).host not in _THIS_MACHINE
        return self.compression == "gzip"

    def client(self) -> httpx.Client:
        """An HTTP client that obeys the settings."""
        _quiet_httpx()
        headers = {"user-agent": "llmtrace-otel", **self.headers, "content-type": "application/x-protobuf"}
        return httpx.Client(headers=headers, timeout=self.timeout, verify=self._verify())

    def _verify(self) -> ssl.SSLContext | bool:
        if not self.url.startswith("https:"):
            return False  # building a context reads the whole certificate store, for nothing
        context = (
            ssl.create_default_context(cafile=self.certificate) if self.certificate else httpx.create_ssl_context()
        )
        if self.client_certificate:
            context.load_cert_chain(self.client_certificate, self.client_key)
        return context


_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})

THREAD_PREFIX: Final = "llmtrace-"
"""The names of llmtrace's own threads begin with this."""


def _not_ours(record: logging.LogRecord) -> bool:
    return not (record.threadName or "").startswith(THREAD_PREFIX)


def _quiet_httpx() -> None:
    """Keep httpx's line for each request out of the app's log where the request is one of ours."""
    logging.getLogger("httpx").addFilter(_not_ours)  # a function is added once, however often this is called
