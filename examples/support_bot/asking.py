"""Ask the service: several sessions at a time, the questions of one session in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from examples.support_bot.processes import DemoError
from examples.support_bot.questions import Question

_SESSIONS_AT_A_TIME = 3
_TIMEOUT = 120.0  # seconds: a real model on this machine may think for long


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP. The trace id is the `X-Trace-Id` that `TraceIdMiddleware` put on the answer."""

    question: Question
    status: int
    trace_id: str
    text: str


def ask_all(service: str, sessions: Sequence[Sequence[Question]]) -> list[Answer]:
    """All answers, in the order of the questions.

    Raises:
        DemoError: the service cannot be reached, or an answer carries no trace id.
    """
    return asyncio.run(_ask_all(service, sessions))


async def _ask_all(service: str, sessions: Sequence[Sequence[Question]]) -> list[Answer]:
    turn = asyncio.Semaphore(_SESSIONS_AT_A_TIME)
    async with httpx.AsyncClient(base_url=service, timeout=_TIMEOUT, trust_env=False) as client:
        answers = await asyncio.gather(*(_ask_session(client, session, turn) for session in sessions))
    return [answer for session in answers for answer in session]


async def _ask_session(client: httpx.AsyncClient, session: Sequence[Question], turn: asyncio.Semaphore) -> list[Answer]:
    async with turn:
        return [await _ask(client, question) for question in session]


async def _ask(client: httpx.AsyncClient, question: Question) -> Answer:
    body = {"user_id": question.user_id, "session_id": question.session_id, "question": question.text}
    try:
        response = await client.post("/ask", json=body)
    except httpx.TransportError as error:
        raise DemoError(f"the service did not answer {question.text!r}: {error!r}") from None
    trace_id = response.headers.get("X-Trace-Id")
    if not trace_id:
        raise DemoError(f"the answer to {question.text!r} ({response.status_code}) carries no X-Trace-Id")
    return Answer(question, response.status_code, trace_id, response.text)
