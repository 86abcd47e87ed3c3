"""Other rules without a restart: the file is read again, and a bad one changes nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import RouterConfig
from llmtrace.router.ports import StoreError
from llmtrace.router.web.answer import Answer, Headers
from llmtrace.router.web.connection import Quick

Reload = Callable[[], Awaitable[str | None]]
"""Reads the rules again; returns what is wrong with them, if anything."""

_log = logging.getLogger(__name__)


class Rules:
    """The application under the rules that hold now. ``take`` makes all obey others; ``note`` writes them down."""

    def __init__(
        self,
        config: RouterConfig,
        reread: Callable[[], RouterConfig],
        take: Callable[[RouterConfig], Quick],
        note: Callable[[RouterConfig], None],
    ) -> None:
        self._config = config
        self._reread = reread
        self._take = take
        self.note = note
        self.app: Quick | None = None
        self._one_at_a_time = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if self.app is not None:
            await self.app(scope, receive, send)

    def at_once(self, path: str, headers: Headers, body: bytes, then: Callable[[Answer], None]) -> bool:
        """The short way, under the rules that hold now."""
        return self.app is not None and self.app.at_once(path, headers, body, then)

    async def reload(self) -> str | None:
        """Read the file again; returns what is wrong with it, if anything, and then the old rules stay."""
        async with self._one_at_a_time:
            try:
                config = await asyncio.to_thread(self._reread)
                _check_fixed(self._config, config)
                await asyncio.to_thread(self.note, config)
            except (ConfigurationError, StoreError) as error:
                _log.error("the rules stay as they are: %s", error)
                return str(error)
            self.app = self._take(config)
            self._config = config
            return None


def reloading(reload: Reload) -> Callable[[Request], Awaitable[Response]]:
    """``POST /-/reload``."""

    async def endpoint(_request: Request) -> Response:
        problem = await reload()
        if problem is not None:
            return JSONResponse({"error": problem}, HTTPStatus.BAD_REQUEST)
        return JSONResponse({"status": "ok"})

    return endpoint


def _check_fixed(old: RouterConfig, new: RouterConfig) -> None:
    for key in ("listen", "store"):
        if getattr(old, key) != getattr(new, key):
            raise ConfigurationError(f"{key}: changed, which needs a restart")
