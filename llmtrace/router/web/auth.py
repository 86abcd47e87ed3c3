"""Who may read and act: a bearer token, where ``web.auth`` names any. Health and signed links stay open."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from llmtrace.router.config.access import Auth
from llmtrace.router.intake.gate import bears


class OnlyReaders:
    """Answers 401 under these paths to whoever knows no token."""

    def __init__(self, app: ASGIApp, auth: Auth | None, paths: Collection[str]) -> None:
        self._app = app
        self._auth = auth
        self._paths = tuple(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        app = self._app
        if self._auth is not None and scope["type"] == "http" and scope["path"].startswith(self._paths):
            headers = Headers(scope=scope)
            if not any([bears(headers, token.get_secret_value()) for token in self._auth.bearer]):  # noqa: C419 - each is compared
                problem = {"error": "a token is needed: authorization: Bearer ..."}
                app = JSONResponse(problem, HTTPStatus.UNAUTHORIZED, {"www-authenticate": "Bearer"})
        await app(scope, receive, send)
