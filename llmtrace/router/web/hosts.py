"""What a page in a browser may ask of 127.0.0.1: nothing by a name of its own (DNS rebinding), no foreign act."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from llmtrace.router.web.answer import Answer, Headers, read_headers
from llmtrace.router.web.connection import Quick

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class OnlyHosts:
    """Answers 421 to a request for another host than these names, whatever its port; 403 to an act of a foreign page.

    Without ``web.auth`` nothing else stands between a page and the router: a form may post to any address. Browsers
    say where a request comes from (Fetch Metadata, ``Origin``); programs that are none do not.
    """

    def __init__(self, app: Quick, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        app: ASGIApp = self._app
        if scope["type"] == "http":
            headers = read_headers(scope["headers"])
            if not self._is_here(headers):
                allowed = ", ".join(sorted(self._hosts))
                app = JSONResponse({"error": f"unknown host; allowed: {allowed}"}, HTTPStatus.MISDIRECTED_REQUEST)
            elif scope["method"] not in _READS and not is_ours(headers, self._hosts):
                app = JSONResponse({"error": "sent by a page of another site"}, HTTPStatus.FORBIDDEN)
        await app(scope, receive, send)

    def at_once(self, path: str, headers: Headers, body: bytes, then: Callable[[Answer], None]) -> bool:
        """Whom it refuses goes the long way, to be told so."""
        return self._is_here(headers) and is_ours(headers, self._hosts) and self._app.at_once(path, headers, body, then)

    def _is_here(self, headers: Headers) -> bool:
        return _name(headers.get("host", "")) in self._hosts


def is_ours(headers: Mapping[str, str], hosts: Collection[str]) -> bool:
    """Whether no page of another site sent it, as far as a browser says: of the host that it asks, or one of these."""
    origin = headers.get("origin")
    if origin is not None:
        place = _place(origin)
        if not place or (place != headers.get("host") and _name(place) not in hosts):
            return False
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _place(origin: str) -> str:
    """Host and port; empty where it has none that can be read."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def _name(host: str) -> str:
    """Without the port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
