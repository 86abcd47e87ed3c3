"""What the demo holds to be complete, and how it draws a trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from examples.support_bot.asking import Answer
from examples.support_bot.promises import missing_from, root_of, severity_of, tokens_of, wrong_status
from examples.support_bot.questions import Outcome, Question, sessions
from examples.support_bot.waterfall import waterfall
from llmtrace.backends.phoenix import StoredSpan
from llmtrace.semconv import alert, trace

START = datetime(2026, 1, 1, tzinfo=UTC)
WHO = {trace.USER_ID: "u", trace.SESSION_ID: "s"}


def _span(kind, identifier, parent, offset, length, status="UNSET", **attributes):
    start = START + timedelta(seconds=offset)
    end = start + timedelta(seconds=length)
    return StoredSpan("t", identifier, parent, kind.lower(), kind, start, end, status, "", attributes, ())


def _trace(*, root=None, llm=None, retriever=None, length=1.0, status="UNSET"):
    """A whole trace; further attributes of three of its spans."""
    return [
        _span("CHAIN", "1", None, 0.0, length, status, **WHO | (root or {})),
        _span("AGENT", "2", "1", 0.0, length, status),
        _span("LLM", "3", "2", 0.0, 0.5, status, **{trace.LLM_TOKEN_COUNT_TOTAL: 7} | (llm or {})),
        _span("TOOL", "4", "2", 0.5, 0.25),
        _span("RETRIEVER", "5", "4", 0.5, 0.25, **retriever or {}),
    ]


def _answer(outcome=Outcome.ANSWERED, status=200):
    return Answer(Question("u", "s", "Rye?", outcome), status, "t", "It rises.")


CRITICAL = {alert.SEVERITY: "critical"}


@pytest.mark.parametrize(
    ("answer", "spans"),
    [
        (_answer(), _trace()),
        (_answer(Outcome.NOTHING_FOUND), _trace(retriever=CRITICAL)),
        (_answer(Outcome.SLOW), _trace(length=3.5)),
        (_answer(Outcome.ANSWERED_FREELY), _trace()[:3]),
        (_answer(Outcome.MODEL_FAILED, 502), _trace(status="ERROR", llm={trace.LLM_TOKEN_COUNT_TOTAL: 0})[:3]),
    ],
)
def test_a_complete_trace_lacks_nothing(answer, spans):
    """Each kind of question has a trace that satisfies it."""
    assert missing_from(answer, spans) == []


@pytest.mark.parametrize(
    ("answer", "spans", "missing"),
    [
        (_answer(), [], "the whole trace"),
        (_answer(), _trace()[1:], "the whole trace"),
        (_answer(), [*_trace()[:3], _trace()[4]], "the whole trace"),
        (_answer(), _trace(root={trace.SESSION_ID: "other"}), "its user and session"),
        (_answer(), _trace(llm={trace.LLM_TOKEN_COUNT_TOTAL: 0}), "token counts"),
        (_answer(), _trace()[:4], "a span of kind RETRIEVER"),
        (_answer(Outcome.NOTHING_FOUND), _trace(), "a critical alert tag"),
        (_answer(Outcome.NOTHING_FOUND), _trace(retriever={alert.SEVERITY: "info"}), "a critical alert tag"),
        (_answer(Outcome.SLOW), _trace(), "its slow step"),
        (_answer(Outcome.MODEL_FAILED, 502), _trace()[:3], "an error"),
    ],
)
def test_what_is_missing_is_named(answer, spans, missing):
    """A trace that lacks one thing says which."""
    assert missing_from(answer, spans) == [missing]


def test_figures_are_those_of_the_spans():
    """The root, the tokens and the worst severity come from the spans alone."""
    spans = [*_trace(retriever=CRITICAL), _span("LLM", "6", "2", 0.8, 0.1, **{trace.LLM_TOKEN_COUNT_TOTAL: 4})]
    assert root_of(spans).span_id == "1"
    assert tokens_of(spans) == 11
    assert severity_of(spans) is alert.Severity.CRITICAL
    assert severity_of(_trace()) is None


def test_a_waterfall_shows_what_ran_when():
    """One line a span, indented below its parent, with a bar in its place, the time and the tokens."""
    lines = [line.plain for line in waterfall(_trace())]
    assert [line.split()[0] for line in lines] == ["CHAIN", "AGENT", "LLM", "TOOL", "RETRIEVER"]
    assert [len(line[12:]) - len(line[12:].lstrip()) for line in lines] == [0, 2, 4, 4, 6]
    assert "█" * 40 in lines[0]
    assert lines[2].endswith("█" * 20 + "·" * 20 + "    500.0 ms     7 tokens")
    assert lines[4].endswith("·" * 20 + "█" * 10 + "·" * 10 + "    250.0 ms")


def test_a_real_model_is_not_expected_to_fail_on_cue():
    """With a real model server the same questions are asked, and each is expected to be answered or to find nothing."""
    scripted, real = (
        [question for session in sessions(real_model=real) for question in session] for real in (False, True)
    )
    assert [question.text for question in scripted] == [question.text for question in real]
    assert {question.outcome for question in scripted} == set(Outcome) - {Outcome.ANSWERED_FREELY}
    assert {question.outcome for question in real} == {Outcome.ANSWERED_FREELY, Outcome.NOTHING_FOUND}


def test_a_wrong_http_status_is_named():
    """An answer that should not have failed, and one that should have, are both named; right ones are not."""
    right = [_answer(), _answer(Outcome.MODEL_FAILED, 502)]
    assert wrong_status(right) == []
    assert wrong_status([*right, _answer(status=502)]) == ["'Rye?' was answered with 502 instead of 200: It rises."]
    assert wrong_status([_answer(Outcome.MODEL_FAILED)]) == ["'Rye?' was answered with 200 instead of 502: It rises."]
