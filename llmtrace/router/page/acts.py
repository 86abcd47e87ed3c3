"""What forms of the page do: acknowledge, resolve, silence, end a silence; each leads on to what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from llmtrace.router.config import RouterConfig
from llmtrace.router.model import Act
from llmtrace.router.notifiers.desk import desk_of
from llmtrace.router.page.forms import FormError, silence_of
from llmtrace.router.page.session import Session
from llmtrace.router.page.views import Views
from llmtrace.router.web.acts import Counter

ActedView = Callable[[Request, Session, Mapping[str, str]], Response]

_HIGHEST_ID: Final = 2**63 - 1
_SAYS: Final = {Act.ACKNOWLEDGE: "acknowledged", Act.RESOLVE: "resolved"}
_NOBODY: Final = "somebody at the page"


class Acts:
    """One method a form."""

    def __init__(self, config: RouterConfig, counter: Counter, views: Views) -> None:
        self._desk = desk_of(config)
        self._counter = counter
        self._views = views

    def table(self) -> Mapping[str, ActedView]:
        """Path -> what a form sent there does."""
        return {
            "/incidents/{id:int}/acknowledge": self._acting(Act.ACKNOWLEDGE),
            "/incidents/{id:int}/resolve": self._acting(Act.RESOLVE),
            "/silences": self.silence,
            "/silences/{id}/end": self.end_silence,
        }

    def silence(self, request: Request, session: Session, form: Mapping[str, str]) -> Response:
        """A new one; the form comes back where it cannot be done."""
        now = self._counter.clock.now()
        try:
            made = silence_of(form, _who(session), now)
        except FormError as error:
            return self._views.silencing(request, session, form, str(error))
        self._counter.store.silence(made, now)
        return _to("/silences", "silenced")

    def end_silence(self, request: Request, session: Session, _form: Mapping[str, str]) -> Response:
        """End one now."""
        now = self._counter.clock.now()
        ended = self._counter.store.end_silence(request.path_params["id"], _who(session), now)
        self._counter.wake()
        return _to("/silences", "ended" if ended else "unchanged")

    def _acting(self, act: Act) -> ActedView:
        def view(request: Request, session: Session, _form: Mapping[str, str]) -> Response:
            number, now = request.path_params["id"], self._counter.clock.now()
            store = self._counter.store
            changed = store.act(number, act, _who(session), self._desk, now) if number <= _HIGHEST_ID else None
            if changed is None:
                return self._views.problem(request, HTTPStatus.NOT_FOUND, "There is no such incident.")
            self._counter.wake()
            return _to(f"/incidents/{number}", _SAYS[act] if changed else "unchanged")

        return view


def _who(session: Session) -> str:
    return session.name or _NOBODY


def _to(path: str, done: str) -> Response:
    return RedirectResponse(f"{path}?done={done}", HTTPStatus.SEE_OTHER, {"cache-control": "no-store"})
