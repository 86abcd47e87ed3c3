"""``GET /healthz``: 200 while the store can be read and the dispatcher turns, else 503 with what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from llmtrace.router.ports import Records, StoreError


def health(records: Records, fault: Callable[[], str | None]) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. ``fault`` says what is wrong with the dispatcher, if anything."""

    async def endpoint(_request: Request) -> Response:
        problem = fault()
        try:
            await asyncio.to_thread(records.ping)
        except StoreError as error:
            problem = f"store: {error}"
        if problem is None:
            return JSONResponse({"status": "ok"})
        return JSONResponse({"status": "failing", "problem": problem}, HTTPStatus.SERVICE_UNAVAILABLE)

    return endpoint
