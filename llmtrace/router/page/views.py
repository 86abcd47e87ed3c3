"""The views of the page: each reads what it shows and hands it to its template. They change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from llmtrace.router.config.settings import Digest
from llmtrace.router.digest.preview import QUICK, preview
from llmtrace.router.matchers import Silence
from llmtrace.router.model import IncidentState, Tier
from llmtrace.router.page.forms import TIMES, proposed
from llmtrace.router.page.rendering import Renderer
from llmtrace.router.page.session import Session, Sessions
from llmtrace.router.ports import Clock
from llmtrace.router.store.shown import SqlShown

View = Callable[[Request, Session], Response]

ON_A_PAGE: Final = 50
_HIGHEST_ID: Final = 2**63 - 1
_MOST_RULES: Final = 500

DONE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "acknowledged": "Acknowledged. Nobody else is woken for this incident.",
        "resolved": "Resolved. Whoever was told hears of it.",
        "unchanged": "Somebody was faster: nothing was left to do.",
        "silenced": "Silenced. What matches is recorded, and nobody is told of it.",
        "ended": "The silence has ended. What it held back is decided again.",
    }
)
"""What a view says after a form was done; anything else is not shown."""


class Views:
    """One method a view."""

    def __init__(
        self, shown: SqlShown, clock: Clock, sessions: Sessions, renderer: Renderer, digests: Sequence[Digest]
    ) -> None:
        self._shown = shown
        self._digests = digests
        self._clock = clock
        self._sessions = sessions
        self._renderer = renderer

    def table(self) -> Mapping[str, View]:
        """Path -> view."""
        return {
            "/": self.incidents,
            "/incidents/{id:int}": self.incident,
            "/alerts": self.alerts,
            "/alerts/{id:int}": self.alert,
            "/silences": self.silences,
            "/rollout": self.rollout,
            "/digest": self.digest,
        }

    def incidents(self, request: Request, session: Session) -> Response:
        """What is open; with ``?show=all`` what was, too."""
        every = request.query_params.get("show") == "all"
        page = self._shown.incidents(ON_A_PAGE, _before(request), live=not every)
        return self._answer(request, session, "incidents", page=page, every=every)

    def incident(self, request: Request, session: Session) -> Response:
        """One with its timeline, its alerts and why it was told."""
        story = self._shown.incident(_id(request))
        if story is None:
            return self.problem(request, HTTPStatus.NOT_FOUND, "There is no such incident.")
        form = {"matchers": proposed(story.incident.worst), "times": TIMES}
        is_over = story.incident.row.state == IncidentState.RESOLVED
        return self._answer(request, session, "incident", story=story, form=form, is_over=is_over)

    def alerts(self, request: Request, session: Session) -> Response:
        """What was decided of each alert, and why; of one tier with ``?tier=``."""
        asked = request.query_params.get("tier", "")
        tier = Tier(asked) if asked in set(Tier) else None
        page = self._shown.stream(ON_A_PAGE, _before(request), tier)
        return self._answer(request, session, "alerts", page=page, tier=tier, tiers=list(Tier))

    def alert(self, request: Request, session: Session) -> Response:
        """One alert and its explanation."""
        found = self._shown.alert(_id(request))
        if found is None:
            return self.problem(request, HTTPStatus.NOT_FOUND, "There is no such alert.")
        alert, explanation = found
        return self._answer(request, session, "alert", alert=alert, explanation=explanation)

    def silences(self, request: Request, session: Session) -> Response:
        """Those that are not over, and a form for another."""
        return self.silencing(request, session, {}, "")

    def silencing(self, request: Request, session: Session, given: Mapping[str, str], problem: str) -> Response:
        """The same with what somebody has filled in, and what is wrong with it."""
        now = self._clock.now()
        found: list[Silence] = list(self._shown.silences(now))
        form = {"matchers": given.get("matchers", ""), "comment": given.get("comment", ""), "times": TIMES}
        status = HTTPStatus.BAD_REQUEST if problem else HTTPStatus.OK
        return self._answer(request, session, "silences", status, silences=found, form=form, problem=problem)

    def rollout(self, request: Request, session: Session) -> Response:
        """What rules did that wake nobody yet."""
        return self._answer(request, session, "rollout", rules=self._shown.rollouts(_MOST_RULES, self._clock.now()))

    def digest(self, request: Request, session: Session) -> Response:
        """Each digest as it would be sent now."""
        now = self._clock.now()
        most = QUICK // max(len(self._digests), 1)
        shown = [self._shown.look(partial(preview, digest=each, now=now, most=most)) for each in self._digests]
        return self._answer(request, session, "digest", reports=shown)

    def login(self, request: Request, goal: str, problem: str = "") -> Response:
        """Who are you?"""
        status = HTTPStatus.UNAUTHORIZED if problem else HTTPStatus.OK
        return self._renderer.answer(request, "login", status, goal=goal, problem=problem)

    def problem(self, request: Request, status: int, said: str) -> Response:
        """What is wrong, in words."""
        return self._renderer.answer(request, "problem", status, said=said)

    def _answer(
        self, request: Request, session: Session, template: str, status: int = HTTPStatus.OK, **values: Any
    ) -> Response:
        return self._renderer.answer(
            request,
            template,
            status,
            here=template,
            session=session,
            form_token=self._sessions.form_token(session),
            live=self._shown.live(),
            now=self._clock.now(),
            done=DONE.get(request.query_params.get("done", ""), ""),
            **values,
        )


def _before(request: Request) -> int | None:
    """The rows before this id; a number that is none asks for the newest."""
    text = request.query_params.get("before", "")
    fits = text.isascii() and text.isdecimal() and len(text) <= len(str(_HIGHEST_ID))
    return min(int(text), _HIGHEST_ID) if fits else None


def _id(request: Request) -> int:
    return min(int(request.path_params["id"]), _HIGHEST_ID)
