"""``GET /api/v1/...``: what was accepted, decided and delivered, newest first, as JSON. It only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from llmtrace.router.config import RouterConfig
from llmtrace.router.ports import Records, Row, StoreError
from llmtrace.router.routing.misses import missed

DEFAULT_LIMIT: Final = 100
HIGHEST_LIMIT: Final = 1_000
_HIGHEST_ID: Final = 2**63 - 1

Page = Callable[[int, int | None], list[Row]]


def listing(name: str, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers ``{name: [...], "next": ...}``; ``next`` is the ``before`` of the next page."""

    async def endpoint(request: Request) -> Response:
        try:
            limit = _number(request, "limit", HIGHEST_LIMIT) or DEFAULT_LIMIT
            rows = await asyncio.to_thread(page, limit, _number(request, "before", _HIGHEST_ID))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        except StoreError:
            return JSONResponse({"error": "the store cannot be read"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse({name: rows, "next": rows[-1]["id"] if len(rows) == limit else None})

    return endpoint


def explaining(records: Records, config: RouterConfig) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers ``{"explanation": [...]}`` about the alert of an id, a fingerprint or a name."""

    def explain(asked: str) -> list[str]:
        unpaged = records.no_page(asked)
        return records.explain(asked) + ([] if unpaged is None else missed(unpaged, config))

    async def endpoint(request: Request) -> Response:
        try:
            lines = await asyncio.to_thread(explain, request.path_params["alert"])
        except StoreError:
            return JSONResponse({"error": "the store cannot be read"}, HTTPStatus.SERVICE_UNAVAILABLE)
        if not lines:
            return JSONResponse({"error": "no such alert"}, HTTPStatus.NOT_FOUND)
        return JSONResponse({"explanation": lines})

    return endpoint


def _number(request: Request, name: str, highest: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(highest)) and 1 <= int(text) <= highest):
        raise ValueError(f"{name}: not allowed; allowed: a whole number from 1 to {highest}")
    return int(text)
