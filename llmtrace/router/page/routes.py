"""The paths of the page: who may look is let in, forms of other sites are turned away, and a failing store is said."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from llmtrace.router.config import RouterConfig
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.page.acts import ActedView, Acts
from llmtrace.router.page.attempts import Attempts
from llmtrace.router.page.forms import FormError, read_form
from llmtrace.router.page.rendering import HEADERS, Assets, Renderer
from llmtrace.router.page.session import Session, Sessions, renamed
from llmtrace.router.page.views import View, Views
from llmtrace.router.ports import StoreError
from llmtrace.router.store.shown import SqlShown
from llmtrace.router.web.acts import Counter
from llmtrace.router.web.body import GoneError
from llmtrace.router.web.hosts import is_ours

Answer = Callable[[Request], Awaitable[Response]]

_OURS: Final = re.compile(r"/(?:[a-z]+(?:/\d{1,19})?)?", re.ASCII)
"""Where a login may lead to."""


def page_routes(config: RouterConfig, counter: Counter, shown: SqlShown, key: bytes) -> list[Route]:
    """Every path of the page. ``key`` is what its sessions are signed with."""
    assets = Assets()
    secure = (config.external_url or "").startswith("https://")
    sessions = Sessions(key, config.web.auth, counter.clock.now, secure=secure)
    views = Views(shown, counter.clock, sessions, Renderer(assets), config.digests)
    acts = Acts(config, counter, views)
    door = _Door(sessions, views, config.external_hosts, Attempts(counter.clock.now))
    return [
        *(Route(path, door.reading(view), methods=["GET"]) for path, view in views.table().items()),
        *(Route(path, door.acting(act), methods=["POST"]) for path, act in acts.table().items()),
        Route("/login", door.ask, methods=["GET"]),
        Route("/login", door.log_in, methods=["POST"]),
        Route("/logout", door.acting(door.log_out), methods=["POST"]),
        Route("/static/{name}", _static(assets), methods=["GET"]),
    ]


class _Door:
    def __init__(self, sessions: Sessions, views: Views, hosts: Collection[str], attempts: Attempts) -> None:
        self._attempts = attempts
        self._hosts = hosts  # what readers may call it beside the host that they ask: a proxy may put another there
        self._sessions = sessions
        self._views = views

    def reading(self, view: View) -> Answer:
        """A view for whoever may look; others are asked who they are."""

        async def endpoint(request: Request) -> Response:
            session = known = self._sessions.of(request)
            session = session or (None if self._sessions.asks else self._sessions.begin())
            if session is None:
                return _to(f"/login?next={quote(request.url.path)}")
            answer = await self._guarded(request, asyncio.to_thread(view, request, session))
            if known is None:
                self._sessions.keep(session, answer)
            return answer

        return endpoint

    def acting(self, act: ActedView) -> Answer:
        """What a form does, where it is one of ours and of this session."""

        async def endpoint(request: Request) -> Response:
            session = self._sessions.of(request)
            if not is_ours(request.headers, self._hosts):
                return self._views.problem(request, HTTPStatus.FORBIDDEN, "This form was sent from another site.")
            if session is None and self._sessions.asks:
                return _to("/login")
            return await self._guarded(request, self._act(request, session, act))

        return endpoint

    async def ask(self, request: Request) -> Response:
        """``GET /login``."""
        if not self._sessions.asks or self._sessions.of(request) is not None:
            return _to("/")
        return self._views.login(request, _next(request.query_params))

    async def log_in(self, request: Request) -> Response:
        """``POST /login``."""
        if not is_ours(request.headers, self._hosts):
            return self._views.problem(request, HTTPStatus.FORBIDDEN, "This form was sent from another site.")
        return await self._guarded(request, self._log_in(request))

    def log_out(self, _request: Request, _session: Session, _form: Mapping[str, str]) -> Response:
        """``POST /logout``."""
        answer = _to("/login")
        self._sessions.end(answer)
        return answer

    async def _log_in(self, request: Request) -> Response:
        form = await read_form(request)
        name, goal = form.get("name", "").strip(), _next(form)
        address = request.client.host if request.client is not None else ""
        if (wait := self._attempts.wait(address)) > timedelta(0):
            return self._too_many(request, goal, math.ceil(wait.total_seconds()))
        session = self._sessions.begin(name, form.get("token", "").strip())
        if session is None:
            self._attempts.failed(address)
        if session is None or not name:
            said = "Your name is needed." if session is not None else "This token does not open the page."
            return self._views.login(request, goal, said)
        answer = _to(goal)
        self._sessions.keep(session, answer)
        return answer

    def _too_many(self, request: Request, goal: str, seconds: int) -> Response:
        said = f"There were too many wrong tokens. Try again in {seconds} second{'' if seconds == 1 else 's'}."
        answer = self._views.login(request, goal, said)
        answer.status_code = HTTPStatus.TOO_MANY_REQUESTS
        answer.headers["retry-after"] = str(seconds)
        return answer

    async def _act(self, request: Request, session: Session | None, act: ActedView) -> Response:
        form = await read_form(request)
        if session is None or not self._sessions.owns(session, form.get("form_token", "")):
            said = "This form is too old, or it is not of your session. Load the page again, and send it from there."
            return self._views.problem(request, HTTPStatus.FORBIDDEN, said)
        who = form.get("by", "").strip()
        if who and not session.is_known and who != session.name:
            session = renamed(session, who)
            answer = await asyncio.to_thread(act, request, session, form)
            self._sessions.keep(session, answer)
            return answer
        return await asyncio.to_thread(act, request, session, form)

    async def _guarded(self, request: Request, answer: Awaitable[Response]) -> Response:
        """Refusals and a store that fails are pages in words."""
        try:
            return await answer
        except FormError as error:
            return self._views.problem(request, HTTPStatus.BAD_REQUEST, str(error))
        except RefusedError as error:
            return self._views.problem(request, error.status, str(error))
        except GoneError:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except StoreError:
            said = "The store cannot be read or written at the moment. Nothing was changed; try again."
            return self._views.problem(request, HTTPStatus.SERVICE_UNAVAILABLE, said)


def _next(given: Mapping[str, str]) -> str:
    wanted = given.get("next", "/")
    return wanted if _OURS.fullmatch(wanted) else "/"


def _to(path: str) -> Response:
    return RedirectResponse(path, HTTPStatus.SEE_OTHER, {**HEADERS, "cache-control": "no-store"})


def _static(assets: Assets) -> Answer:
    async def endpoint(request: Request) -> Response:
        return assets.answer(request.path_params["name"])

    return endpoint
