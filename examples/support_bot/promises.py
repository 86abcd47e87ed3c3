"""What has to have arrived for each question, and what of it is still missing: pure, from what was read back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from examples.support_bot.asking import Answer
from examples.support_bot.questions import Outcome
from examples.support_bot.scripted_model import SLOW_SECONDS
from llmtrace.backends.phoenix import StoredSpan
from llmtrace.semconv import alert, trace

Spans = Sequence[StoredSpan]

_SHOWN: Final = 120  # characters of an answer
_MODEL_CALLED: Final = frozenset({trace.KIND_AGENT, trace.KIND_LLM})
_SEARCHED: Final = _MODEL_CALLED | {trace.KIND_TOOL, trace.KIND_RETRIEVER}
_KINDS: Final = MappingProxyType(
    dict.fromkeys(Outcome, _SEARCHED) | {Outcome.MODEL_FAILED: _MODEL_CALLED, Outcome.ANSWERED_FREELY: _MODEL_CALLED}
)


def wrong_status(answers: Sequence[Answer]) -> list[str]:
    """Which answers have another HTTP status than their question is meant to have, in words."""
    expected = {answer: 502 if answer.question.outcome is Outcome.MODEL_FAILED else 200 for answer in answers}
    return [
        f"{answer.question.text!r} was answered with {answer.status} instead of {status}: {answer.text[:_SHOWN]}"
        for answer, status in expected.items()
        if answer.status != status
    ]


def matters(answer: Answer) -> bool:
    """Whether the production preset keeps the trace of this answer: it failed, was slow, or carries an alert tag."""
    return answer.question.outcome in (Outcome.MODEL_FAILED, Outcome.SLOW, Outcome.NOTHING_FOUND)


def missing_from(answer: Answer, spans: Spans) -> list[str]:
    """What the trace of this answer still lacks, in words; empty when all is there."""
    root = root_of(spans)
    if root is None:
        return ["the whole trace"]
    outcome = answer.question.outcome
    found = {
        "its user and session": _belongs(root, answer),
        "token counts": outcome is Outcome.MODEL_FAILED or tokens_of(spans) > 0,
        "an error": outcome is not Outcome.MODEL_FAILED or root.status == "ERROR",
        "its slow step": outcome is not Outcome.SLOW or root.duration >= timedelta(seconds=SLOW_SECONDS),
        "a critical alert tag": outcome is not Outcome.NOTHING_FOUND or severity_of(spans) is alert.Severity.CRITICAL,
    }
    kinds = {span.kind for span in spans}
    found |= {f"a span of kind {kind}": kind in kinds for kind in sorted(_KINDS[outcome])}
    return [what for what, is_there in found.items() if not is_there]


def root_of(spans: Spans) -> StoredSpan | None:
    """The one span without a parent, if the trace is whole; None as long as a parent is missing."""
    ids = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_id not in ids]
    return roots[0] if len(roots) == 1 and roots[0].parent_id is None else None


def tokens_of(spans: Spans) -> int:
    """The tokens of all model calls."""
    return sum(int(span.attributes.get(trace.LLM_TOKEN_COUNT_TOTAL, 0)) for span in spans)


def severity_of(spans: Spans) -> alert.Severity | None:
    """The most severe alert tag, None where there is none."""
    severities = [
        alert.Severity(str(span.attributes[alert.SEVERITY])) for span in spans if alert.SEVERITY in span.attributes
    ]
    return min(severities, key=lambda severity: severity.rank, default=None)


def reason_of(spans: Spans) -> str:
    """Why the trace was kept, as its spans say."""
    return ", ".join(sorted({str(span.attributes.get(trace.SAMPLING_REASON)) for span in spans}))


def _belongs(root: StoredSpan, answer: Answer) -> bool:
    who = (root.attributes.get(trace.USER_ID), root.attributes.get(trace.SESSION_ID))
    return who == (answer.question.user_id, answer.question.session_id)
