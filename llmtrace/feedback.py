"""A ready ASGI route for thumbs up and down: the page sends back the ``X-Trace-Id`` of the answer that it judges.

    app.router.routes.append(Route("/feedback", FeedbackRoute()))     # FastAPI, Starlette; it is an ASGI application

    POST {"trace_id": "0af7651916cd43dd8448eb211c80319c", "thumbs": "down", "comment": "It never rains there."}

What a stranger may write is little: a checked id, a word or a number, a comment of some length. Nothing is written for
a trace that nobody knows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from llmtrace._guard import guarded
from llmtrace._keeping import Standing
from llmtrace._recent import recent
from llmtrace._tracer import active
from llmtrace.scores import Annotator, Score, ScoreOutcome, standing_of, take

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_FIELDS: Final = ("trace_id", "thumbs", "score", "label", "comment")
_THUMBS: Final = {"up": 1.0, "down": 0.0}


class _RefusedError(Exception):
    """An answer that says no."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error


class FeedbackRoute:
    """Takes one judgement a request.

    Args:
        name: what is judged; the score's name.
        who: a callable that is given the ASGI scope and says whose judgement it is: the same person again replaces it.
            Without it a trace has one judgement, the last.
        most_bytes: the longest body that is read.
    """

    def __init__(
        self,
        name: str = "thumbs",
        *,
        who: Callable[[MutableMapping[str, Any]], str | None] | None = None,
        most_bytes: int = 16_384,
    ) -> None:
        self._name = name
        self._who = who
        self._most_bytes = most_bytes

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request: 202, or a 4xx that says why."""
        if scope["type"] != "http":
            return
        try:
            score = await self._score(scope, receive)
            await _file(score)
        except _RefusedError as refused:
            await _answer(send, refused.status, {"error": refused.error, "detail": str(refused)})
        else:
            await _answer(send, 202, {"status": "accepted", "trace_id": score.trace_id or ""})

    async def _score(self, scope: MutableMapping[str, Any], receive: Receive) -> Score:
        headers = {bytes(name).lower(): bytes(value) for name, value in scope.get("headers") or ()}
        if scope["method"] != "POST":
            raise _RefusedError(405, "method_not_allowed", "allowed: POST")
        if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
            raise _RefusedError(415, "unsupported_media_type", "allowed: application/json")
        body = _parsed(await self._read(receive))
        unknown = sorted(set(body) - set(_FIELDS))
        if unknown:
            raise _RefusedError(400, "bad_request", f"{unknown[0]!r:.60}: no field; allowed: {', '.join(_FIELDS)}")
        thumbs = body.get("thumbs")
        if thumbs is not None and (not isinstance(thumbs, str) or thumbs not in _THUMBS):
            raise _RefusedError(400, "bad_request", "thumbs: allowed: up, down")
        if thumbs is not None and (body.get("score") is not None or body.get("label") is not None):
            raise _RefusedError(400, "bad_request", "thumbs: allowed: without score and label")
        try:
            return Score(
                self._name,
                body.get("trace_id", headers.get(b"x-trace-id", b"").decode("latin-1")),
                score=body.get("score") if thumbs is None else _THUMBS[thumbs],
                label=body.get("label") if thumbs is None else thumbs,
                explanation=body.get("comment") or None,
                annotator=Annotator.HUMAN,
                identifier=self._identifier(scope),
            )
        except ValueError as error:
            raise _RefusedError(400, "bad_request", str(error)) from None

    def _identifier(self, scope: MutableMapping[str, Any]) -> str:
        with guarded("asking who judges"):
            named = None if self._who is None else self._who(scope)
            if named:
                return str(named)
        return "llmtrace"

    async def _read(self, receive: Receive) -> bytes:
        body: bytes = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                raise _RefusedError(400, "bad_request", "the request was broken off")
            body += message.get("body", b"")
            if len(body) > self._most_bytes:
                raise _RefusedError(413, "too_large", f"allowed: up to {self._most_bytes} bytes")
            if not message.get("more_body"):
                return body


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if type(body) is not dict:
        raise _RefusedError(400, "bad_request", "the body is no JSON object")
    return body


async def _file(score: Score) -> None:
    """Take a score whose trace is known, here or to the backend."""
    if active.tracer is None:
        raise _RefusedError(503, "off", "tracing is off")
    trace_id = score.trace_id or ""
    is_foreign = standing_of(trace_id) is Standing.UNKNOWN and int(trace_id, 16) not in recent
    # Of another process, or of nobody: the backend has it, or it was not kept.
    if is_foreign and active.knows is not None and await asyncio.to_thread(active.knows, trace_id) is False:
        raise _RefusedError(404, "not_kept", "no such trace is kept")
    if take(score) is ScoreOutcome.NOT_KEPT:
        raise _RefusedError(404, "not_kept", "the trace was sampled away")


async def _answer(send: Send, status: int, body: dict[str, str]) -> None:
    text = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(text))]
    if status == 405:  # noqa: PLR2004 - HTTP's
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})
