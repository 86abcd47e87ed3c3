"""Where requests go and what stands at their head: OTLP/HTTP addresses and headers, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from llmtrace.exceptions import ConfigurationError

Environment = Mapping[str, str]

TRACES_PATH: Final = "/v1/traces"
METRICS_PATH: Final = "/v1/metrics"

_HEADER_VALUE: Final = re.compile(r"[\t -~]*")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS: Final = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that say how the body is written."""


def with_default_path(setting: str, url: str, path: str = TRACES_PATH) -> str:
    """A base URL gets the signal's path; a URL with a path of its own stays as it is."""
    address = checked(setting, url)
    parts = urlsplit(address)
    return parts._replace(path=path).geturl() if not parts.path.strip("/.") else address


def checked(setting: str, url: object) -> str:
    """The address without blanks around it.

    Raises:
        ConfigurationError: where nothing can be sent there.
    """
    allowed = "allowed: an http:// or https:// address such as http://localhost:6006"
    if not isinstance(url, str):
        msg = f"{setting}={url!r:.80} is a {type(url).__name__}; {allowed}"
        raise ConfigurationError(msg)
    url = url.strip()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if port == _GRPC_PORT or parts.scheme in ("grpc", "grpcs"):
        msg = f"{setting}={_shown(url)} is an OTLP/gRPC address; llmtrace speaks OTLP/HTTP: {HTTP_PORTS}"
        raise ConfigurationError(msg)
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(parts.hostname or "") or not _URL.fullmatch(url):
        msg = f"{setting}={_shown(url)} is no address; {allowed}"
        raise ConfigurationError(msg)
    return url


_GRPC_PORT: Final = 4317
HTTP_PORTS: Final = "port 6006 for Phoenix, 4318 for an OpenTelemetry Collector"
_URL: Final = re.compile(r"[!-~]+")
"""Printable ASCII without blanks, as RFC 3986 wants it."""
_HOST: Final = re.compile(r"[A-Za-z0-9._~-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._~-]+)?")
"""A name, an IPv4 or an IPv6 address."""


def _shown(url: str) -> str:
    """The address as it may be shown: one line, without what stands before an @ or after a question mark."""
    hidden = re.sub(r"[?#].*", "?***", url, count=1, flags=re.DOTALL)
    _, at, rest = hidden.rpartition("@")
    return f"{'***@' + rest if at else hidden!r:.120}"


def env_headers(setting: str, env: Environment) -> dict[str, str]:
    """``name=value,name=value``, URL-encoded, as OpenTelemetry's specification says."""
    headers: dict[str, str] = {}
    for pair in filter(None, map(str.strip, env.get(setting, "").split(","))):
        name, equals, value = pair.partition("=")
        if not equals:
            msg = f"{setting}: an entry without '='; allowed: name=value,name=value, URL-encoded"
            raise ConfigurationError(msg)
        headers[unquote(name).strip()] = unquote(value).strip()
    return given_headers(setting, headers)


def given_headers(setting: str, headers: object) -> dict[str, str]:
    """Headers from an argument, their names in lower case.

    Raises:
        ConfigurationError: where one cannot be sent.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        msg = f"{setting} is a {type(headers).__name__}; allowed: a mapping of header names to values"
        raise ConfigurationError(msg)
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str) or not _HEADER_NAME.fullmatch(name):
            msg = f"{setting}: header {name!r:.80} is no header; allowed: names and values that are texts"
            raise ConfigurationError(msg)
        if name.lower() in _OURS:
            msg = f"{setting}: header {name!r} cannot be set; allowed: any that does not say how the body is written"
            raise ConfigurationError(msg)
        if not _HEADER_VALUE.fullmatch(value):
            msg = f"{setting}: the value of header {name!r} cannot be sent; allowed: printable ASCII in one line"
            raise ConfigurationError(msg)
    return {name.lower(): value for name, value in headers.items()}
