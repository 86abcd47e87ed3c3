"""The Host header: a page in a browser may call 127.0.0.1 under a name of its own (DNS rebinding); it gets nothing."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class OnlyHosts:
    """Answers 421 to a request for another host than these names, whatever its port."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        app = self._app
        if scope["type"] == "http" and _name(Headers(scope=scope).get("host", "")) not in self._hosts:
            allowed = ", ".join(sorted(self._hosts))
            app = JSONResponse({"error": f"unknown host; allowed: {allowed}"}, HTTPStatus.MISDIRECTED_REQUEST)
        await app(scope, receive, send)


def _name(host: str) -> str:
    """Without the port; an IPv6 address without its brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
