"""What the demo's users ask, and what each question is expected to bring about."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from examples.support_bot.scripted_model import FAILS_ON, SLOW_ON


class Outcome(StrEnum):
    """How a question ends."""

    ANSWERED = "answered"
    ANSWERED_FREELY = "answered, in whatever way the model chose"
    NOTHING_FOUND = "retriever found nothing"
    MODEL_FAILED = "model server failed"
    SLOW = "slow"


@dataclass(frozen=True, slots=True)
class Question:
    """One question. A session belongs to one user, and asks one question after the other."""

    user_id: str
    session_id: str
    text: str
    outcome: Outcome = Outcome.ANSWERED


QUESTIONS = (
    Question("ana", "ana-monday", "What is llmtrace?"),
    Question("ana", "ana-monday", "How do I record an agent run?"),
    Question("ana", "ana-monday", "Which settings can I give it?"),
    Question("ana", "ana-monday", "What is a span, a trace and a session?"),
    Question("ben", "ben-setup", "How do I start Phoenix on my machine?"),
    Question("ben", "ben-setup", "Which ports does Phoenix listen on?"),
    Question("ben", "ben-setup", "Why does nothing arrive in Phoenix?"),
    Question("ben", "ben-setup", "How do I find the trace of one request?"),
    Question("chen", "chen-alerts", "How do I tag an alert?"),
    Question("chen", "chen-alerts", "Which severities are there?"),
    Question("chen", "chen-alerts", "What does the router do with a critical alert?"),
    Question("dora", "dora-lunch", "Which sourdough suits rye loaves?", Outcome.NOTHING_FOUND),
    Question("dora", "dora-privacy", "Does content leave the process?"),
    Question("dora", "dora-privacy", "What do the spans contain that go to the router?"),
    Question("emil", "emil-limits", f"What happens when the {FAILS_ON}?", Outcome.MODEL_FAILED),
    Question("emil", "emil-limits", "Does a backend that is down slow the application down?"),
    Question("emil", "emil-limits", "What is llmtrace not?"),
    Question("fay", "fay-deep", f"Why are attributes flat? Please {SLOW_ON}.", Outcome.SLOW),
    Question("fay", "fay-deep", "Does Phoenix show messages in one JSON string?"),
    Question("fay", "fay-deep", "When do I call shutdown or flush?"),
)


def sessions(*, real_model: bool) -> list[list[Question]]:
    """The questions of each session, in their order.

    A real model neither fails nor is slow on cue, and whether it calls a tool is its own decision.
    """
    asked = [_freely(question) if real_model else question for question in QUESTIONS]
    return [list(group) for _, group in groupby(asked, key=lambda question: question.session_id)]


def _freely(question: Question) -> Question:
    if question.outcome is Outcome.NOTHING_FOUND:
        return question
    return replace(question, outcome=Outcome.ANSWERED_FREELY)
