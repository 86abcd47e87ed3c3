"""Scores of people, models and code, bound to a trace or a span: in the request itself or days later.

    llmtrace.record_score("thumbs", score=0, label="down", trace_id=trace_id, annotator="HUMAN")

Phoenix keeps a score as an annotation. The same name, identifier and trace again replaces it, so that a user may change
his mind. Every score is counted as a metric, also where the trace was not kept. A bad score keeps a trace that was
dropped a moment ago.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from time import time_ns
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import SpanContext, SpanKind, Status, TraceFlags, get_current_span

from llmtrace import _scope
from llmtrace._guard import guarded, say_once
from llmtrace._keeping import Standing, keeping
from llmtrace._record import SpanRecord
from llmtrace._tracer import active
from llmtrace._values.serialize import to_json
from llmtrace.recorders import verdict
from llmtrace.semconv import trace as keys

_LONGEST_NAME: Final = 128
_LONGEST_LABEL: Final = 256
_LONGEST_EXPLANATION: Final = 8_192
_RESERVED: Final = "note"
"""Phoenix's own."""
_BAD_LABELS: Final = frozenset({"down", "thumbs_down", "thumbs-down", "negative", "bad", "incorrect", "fail"})
_TRACE_DIGITS, _SPAN_DIGITS = 32, 16


class Annotator(StrEnum):
    """Who judges."""

    HUMAN = "HUMAN"
    LLM = "LLM"
    CODE = "CODE"


class ScoreOutcome(StrEnum):
    """What became of a score."""

    TAKEN = "taken"
    """It is on its way; its trace is kept, or is somebody else's to know."""
    NOT_KEPT = "not_kept"
    """Its trace was sampled away; it is counted, and nothing else."""
    NO_TRACE = "no_trace"
    """No trace was named, and none is current."""
    REFUSED = "refused"
    """It is no score."""
    OFF = "off"
    """Nothing is recorded."""


@dataclass(frozen=True, slots=True)
class Score:
    """One score, checked.

    Attributes:
        name: what was judged: "thumbs", "groundedness".
        trace_id: the trace, in hex; None where the span alone is known.
        span_id: the span, in hex; None: the trace as a whole.
        score: a number.
        label: a word.
        explanation: why. Content.
        annotator: who judged.
        identifier: whose judgement it is: the same one again replaces it.
        metadata: further facts.
    """

    name: str
    trace_id: str | None = None
    span_id: str | None = None
    score: float | None = None
    label: str | None = None
    explanation: str | None = None
    annotator: Annotator = Annotator.HUMAN
    identifier: str = "llmtrace"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_bad(self) -> bool:
        """Whether it says that something went wrong: 0 or less, or a label such as "down"."""
        if self.score is not None:
            return self.score <= 0
        return (self.label or "").lower() in _BAD_LABELS

    def __post_init__(self) -> None:
        """Check it.

        Raises:
            ValueError: which field is wrong, and what is allowed.
        """
        _check_text("name", self.name, _LONGEST_NAME)
        if self.name == _RESERVED:
            raise ValueError('name: "note" is reserved by Phoenix; allowed: any other')
        if self.trace_id is not None or self.span_id is None:
            _check_id("trace_id", self.trace_id, _TRACE_DIGITS)
        if self.span_id is not None:
            _check_id("span_id", self.span_id, _SPAN_DIGITS)
        if self.score is None and self.label is None and self.explanation is None:
            raise ValueError("score: nothing is given; allowed: a score, a label or an explanation")
        if self.score is not None and not _is_number(self.score):
            raise ValueError("score: no number; allowed: a finite number")
        for name, text, most in (
            ("label", self.label, _LONGEST_LABEL),
            ("identifier", self.identifier, _LONGEST_NAME),
            ("explanation", self.explanation, _LONGEST_EXPLANATION),
        ):
            if text is not None:
                _check_text(name, text, most, is_long=name == "explanation")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 10**18 and math.isfinite(value)


def _check_text(name: str, text: object, most: int, *, is_long: bool = False) -> None:
    if not isinstance(text, str) or len(text) > most or not (is_long or (text and text.isprintable())):
        allowed = f"up to {most} characters" + ("" if is_long else " in one line")
        msg = f"{name}: no text that can be taken; allowed: {allowed}"
        raise ValueError(msg)


def _check_id(name: str, text: object, digits: int) -> None:
    if not isinstance(text, str) or len(text) != digits or set(text) - set("0123456789abcdef") or not int(text, 16):
        msg = f"{name}: no id; allowed: {digits} hexadecimal digits in lower case"
        raise ValueError(msg)


def record_score(
    name: str,
    *,
    score: float | None = None,
    label: str | None = None,
    explanation: str | None = None,
    trace_id: str | None = None,
    span_id: str | None = None,
    annotator: str = "HUMAN",
    identifier: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> ScoreOutcome:
    """Record a score of a trace or a span. Never raises, never blocks.

    Args:
        name: what was judged.
        score: a number: for thumbs 1 and 0.
        label: a word, e.g. "up".
        explanation: why.
        trace_id: the trace, 32 hex characters, as on ``X-Trace-Id``; without it the span that is current.
        span_id: the span, 16 hex characters; without it the trace as a whole.
        annotator: "HUMAN", "LLM" or "CODE".
        identifier: whose judgement this is, e.g. a user's id; the same name, identifier and target replaces it.
        metadata: further facts, as JSON.

    Returns:
        What became of it.
    """
    if active.tracer is None:
        return ScoreOutcome.OFF
    if trace_id is None and span_id is None:
        context = get_current_span(_scope.here()).get_span_context()
        if not context.is_valid:
            return ScoreOutcome.NO_TRACE
        trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    with guarded("recording a score"):
        try:
            given = Score(
                name,
                trace_id,
                span_id,
                score,
                label,
                explanation,
                Annotator(annotator),
                identifier or "llmtrace",
                {} if metadata is None else json.loads(to_json(metadata)),
            )
        except ValueError as error:
            say_once(f"score:{error}", "llmtrace: a score was not recorded: %s", error)
            return ScoreOutcome.REFUSED
        return take(given)
    return ScoreOutcome.REFUSED


def take(score: Score) -> ScoreOutcome:
    """Count a checked score, and hand it on where its trace is kept."""
    standing = standing_of(score.trace_id)
    if score.is_bad and keeping.tell is not None and standing in (Standing.RECENTLY_DROPPED, Standing.OPEN):
        keeping.tell(_number(score.trace_id))
        standing = Standing.KEPT
    if active.look is not None:
        active.look(_measured(score))
    if standing in (Standing.RECENTLY_DROPPED, Standing.DROPPED):
        return ScoreOutcome.NOT_KEPT
    if active.annotate is not None:
        active.annotate(score)
    return ScoreOutcome.TAKEN


def standing_of(trace_id: str | None) -> Standing:
    """What is known here of a trace."""
    return Standing.UNKNOWN if keeping.ask is None or trace_id is None else keeping.ask(_number(trace_id))


def _number(hexadecimal: str | None) -> int:
    return int(hexadecimal or "0", 16)


def _measured(score: Score) -> SpanRecord:
    """The score as the finding of an evaluator, for the metrics alone: it is no span, and goes nowhere."""
    into: dict[str, Any] = {keys.SPAN_KIND: keys.KIND_EVALUATOR}
    verdict.put_evaluation(into, 0, score.name, score.score, score.label, None)
    context = SpanContext(_number(score.trace_id), _number(score.span_id), False, TraceFlags(0))
    now = time_ns()
    return SpanRecord(
        name=score.name,
        context=context,
        parent=None,
        kind=SpanKind.INTERNAL,
        start_time=now,
        end_time=now,
        attributes=into,
        events=(),
        links=(),
        status=Status(),
        resource=Resource.get_empty(),
        instrumentation_scope=None,
    )
