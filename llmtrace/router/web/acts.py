"""What people do: acknowledge and resolve incidents, by the API, by a signed link, in a tool that pages; silences."""

from __future__ import annotations

import asyncio
import html
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from llmtrace.router import matchers
from llmtrace.router.config import RouterConfig
from llmtrace.router.intake.body import read_json
from llmtrace.router.intake.gate import Gate
from llmtrace.router.intake.refusal import RefusedError
from llmtrace.router.matchers import Matcher, Silence
from llmtrace.router.model import Act
from llmtrace.router.notifiers.desk import desk_of
from llmtrace.router.ports import Clock, StoreError
from llmtrace.router.store.sql import SqlStore
from llmtrace.router.web.body import GoneError, read_body
from llmtrace.router.web.links import SignedLinks
from llmtrace.router.web.reactions import TOOLS

_HIGHEST_ID: Final = 2**63 - 1
_STORABLE: Final = r"^[^\x00]*$"
"""What any database can hold."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What acting needs. ``wake`` tells the dispatcher."""

    store: SqlStore
    clock: Clock
    links: SignedLinks
    wake: Callable[[], None]


class _Who(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    by: Annotated[str, Field(min_length=1, max_length=200, pattern=_STORABLE)]


class _NewSilence(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)
    matchers: Annotated[list[Annotated[Matcher, BeforeValidator(matchers.parse)]], Field(min_length=1, max_length=50)]
    starts_at: datetime | None = None
    ends_at: datetime
    created_by: Annotated[str, Field(min_length=1, max_length=200, pattern=_STORABLE)]
    comment: Annotated[str, Field(max_length=2_000, pattern=_STORABLE)] = ""


def acting_routes(config: RouterConfig, counter: Counter) -> list[Route]:
    """Every path by which somebody acts."""
    acts = _Acts(config, counter)
    return [
        Route("/api/v1/incidents/{id:int}/{act}", _guarded(acts.act), methods=["POST"]),
        Route("/api/v1/silences", _guarded(acts.silence), methods=["POST"]),
        Route("/api/v1/silences/{id}", _guarded(acts.end_silence), methods=["DELETE"]),
        Route("/ack/{id:int}", _guarded(acts.ask), methods=["GET"]),
        Route("/ack/{id:int}", _guarded(acts.follow), methods=["POST"]),
        *(Route(f"/ingest/{tool}", _guarded(acts.reaction(tool)), methods=["POST"]) for tool in TOOLS),
    ]


class _Acts:
    def __init__(self, config: RouterConfig, counter: Counter) -> None:
        self._desk = desk_of(config)
        self._intake = config.intake
        self._counter = counter

    async def act(self, request: Request) -> Response:
        """``POST /api/v1/incidents/ID/acknowledge|resolve`` with ``{"by": WHO}``."""
        try:
            what = Act(request.path_params["act"])
        except ValueError:
            raise RefusedError(HTTPStatus.NOT_FOUND, f"no such act; allowed: {', '.join(Act)}") from None
        who = _read(_Who, await read_body(request.receive)).by
        return await self._act(request.path_params["id"], what, who)

    async def silence(self, request: Request) -> Response:
        """``POST /api/v1/silences``."""
        given = _read(_NewSilence, await read_body(request.receive))
        now = self._counter.clock.now()
        start, end = _aware(given.starts_at or now), _aware(given.ends_at)
        if end <= max(start, now):
            raise RefusedError(HTTPStatus.BAD_REQUEST, "ends_at: not after the beginning and the present")
        made = Silence(uuid.uuid4().hex, tuple(given.matchers), start, end, given.created_by, given.comment)
        await asyncio.to_thread(self._counter.store.silence, made, now)
        return JSONResponse({"id": made.id}, HTTPStatus.CREATED)

    async def end_silence(self, request: Request) -> Response:
        """``DELETE /api/v1/silences/ID?by=WHO``."""
        who = request.query_params.get("by", "")[:200]
        now, identifier = self._counter.clock.now(), request.path_params["id"]
        if not await asyncio.to_thread(self._counter.store.end_silence, identifier, who, now):
            raise RefusedError(HTTPStatus.NOT_FOUND, "no silence of this id that is not over")
        self._counter.wake()
        return JSONResponse({"id": identifier})

    async def ask(self, request: Request) -> Response:
        """``GET`` of a signed link asks only: programs that preview links follow them too."""
        self._check(request)
        number = request.path_params["id"]
        action = html.escape(f"?{request.url.query}")
        page = f'<form method="post" action="{action}"><input name="by" placeholder="your name"> '
        return _page(f"{page}<button>acknowledge incident {number}</button></form>")

    async def follow(self, request: Request) -> Response:
        """``POST`` of a signed link acknowledges."""
        self._check(request)
        form = (await read_body(request.receive)).decode("utf-8", "replace")
        given = next((text for name, text in _form(form) if name == "by"), "")
        await self._act(request.path_params["id"], Act.ACKNOWLEDGE, given[:200] or "a reader of the message")
        return _page("acknowledged")

    def reaction(self, tool: str) -> Callable[[Request], Awaitable[Response]]:
        """The webhook of a tool that people react in: what a person does there counts here."""
        intake, (name, read) = self._intake, TOOLS[tool]
        gate = Gate(intake.auth_of(getattr(intake, tool)))

        async def react(request: Request) -> Response:
            body, now = await read_body(request.receive), self._counter.clock.now()
            gate.admit(request.headers, body, now)
            done = read(read_json(body), now)
            if done is None:
                return JSONResponse({"acted": False}, HTTPStatus.ACCEPTED)
            # What is sent again must not count for an incident that came after it.
            found = await asyncio.to_thread(self._counter.store.incident_of, done.key, done.at)
            if found is not None:
                await self._act(found, done.act, f"{done.who} ({name})")
            return JSONResponse({"acted": found is not None}, HTTPStatus.ACCEPTED)

        return react

    async def _act(self, number: int, what: Act, who: str) -> Response:
        counter = self._counter
        changed = None
        if number <= _HIGHEST_ID:
            changed = await asyncio.to_thread(counter.store.act, number, what, who, self._desk, counter.clock.now())
        if changed is None:
            raise RefusedError(HTTPStatus.NOT_FOUND, "no such incident")
        counter.wake()
        return JSONResponse({"id": number, "changed": changed})

    def _check(self, request: Request) -> None:
        query = request.query_params
        number, expires, signature = request.path_params["id"], query.get("expires", ""), query.get("signature", "")
        if not self._counter.links.is_valid(number, expires, signature):
            raise RefusedError(HTTPStatus.FORBIDDEN, "the link is wrong or too old")


def _page(content: str) -> Response:
    headers = {"content-security-policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'"}
    return HTMLResponse(f"<!doctype html><title>llmtrace</title>{content}", headers=headers)


def _guarded(endpoint: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """Refusals and a store that fails are answers in words."""

    async def guarded(request: Request) -> Response:
        try:
            answer: Response = await endpoint(request)
        except RefusedError as error:
            return JSONResponse({"error": str(error)}, error.status)
        except GoneError:
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        except StoreError:
            return JSONResponse({"error": "the store failed; try again"}, HTTPStatus.SERVICE_UNAVAILABLE)
        return answer

    return guarded


def _read(model: type[BaseModel], body: bytes) -> Any:
    try:
        return model.model_validate(read_json(body))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        raise RefusedError(HTTPStatus.BAD_REQUEST, f"{where}: {first['msg']}") from error


def _form(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, max_num_fields=10)
    except ValueError:
        return []


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
