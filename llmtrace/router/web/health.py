"""``GET /healthz``: 200 while the store can be read, the dispatcher turns and nothing is late, else 503 and why."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from llmtrace.router.ports import Clock, Records, StoreError


def health(
    records: Records, fault: Callable[[], str | None], clock: Clock, late: timedelta
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint. ``fault`` says what is wrong with the dispatcher; ``late``: how long a notification may be due."""

    async def endpoint(_request: Request) -> Response:
        now = clock.now()
        problem = fault()
        try:
            due = (await asyncio.to_thread(records.oldest, now)).due
            aside = await asyncio.to_thread(records.set_aside)
        except StoreError as error:
            problem, due, aside = f"store: {error}", None, {}
        if problem is None and due is not None and now - due > late:
            waited, allowed = ((each // timedelta(seconds=1)) for each in (now - due, late))
            problem = f"the oldest notification that is due has waited for {waited} s; allowed: {allowed} s"
        # That something was set aside does not pass by a restart: it is shown, and is no failure.
        more = {"set_aside": dict(aside)} if aside else {}
        if problem is None:
            return JSONResponse({"status": "ok", **more})
        return JSONResponse({"status": "failing", "problem": problem, **more}, HTTPStatus.SERVICE_UNAVAILABLE)

    return endpoint
