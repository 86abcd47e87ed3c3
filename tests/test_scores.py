"""Scores: to Phoenix, as a metric, and what becomes of a trace that was dropped."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import metric_points
import pytest
from score_server import ROOT, ScoreServer, score_server
from waiting import wait_until

import llmtrace
from llmtrace._config import Privacy
from llmtrace._sinks import _clean_score
from llmtrace.exporters.annotations import Annotations
from llmtrace.exporters.destination import Destination
from llmtrace.sampling import SamplingPolicy
from llmtrace.scores import Score, ScoreOutcome

pytest_plugins = ("core_fixtures",)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture
def phoenix_like() -> Iterator[ScoreServer]:
    """A backend."""
    with score_server() as running:
        yield running


def test_a_score_of_an_older_trace(start, phoenix_like, strict):
    """By its id, days later: an annotation of the trace, and of its root, with everything that was said."""
    start(endpoint=phoenix_like.url, headers={"authorization": "Bearer t"})
    phoenix_like.known.add(TRACE)
    outcome = llmtrace.record_score(
        "thumbs", score=0, label="down", explanation="wrong", trace_id=TRACE, identifier="u-1", metadata={"page": 7}
    )
    assert outcome is ScoreOutcome.TAKEN
    assert llmtrace.flush(10)
    said = {
        "name": "thumbs",
        "annotator_kind": "HUMAN",
        "identifier": "u-1",
        "metadata": {"page": 7},
        "result": {"score": 0, "label": "down", "explanation": "wrong"},
    }
    assert phoenix_like.annotations == [
        ("/v1/trace_annotations", {"trace_id": TRACE, **said}),
        ("/v1/span_annotations", {"span_id": ROOT, **said}),
    ]
    assert phoenix_like.headers["authorization"] == "Bearer t"


def test_in_the_request_it_is_the_current_span(start, phoenix_like, strict):
    """Without an id."""
    start(endpoint=phoenix_like.url)
    with llmtrace.llm_span("m", "Q"), llmtrace.chain_span("inner") as inner:
        span_id = format(inner.get_span_context().span_id, "016x")
        phoenix_like.known.add(span_id)
        assert llmtrace.record_score("groundedness", score=0.8, annotator="CODE") is ScoreOutcome.TAKEN
    assert llmtrace.flush(10)
    ((path, given),) = phoenix_like.annotations
    assert (path, given["span_id"], given["annotator_kind"]) == ("/v1/span_annotations", span_id, "CODE")


def test_a_span_by_its_id_alone(start, phoenix_like, strict):
    """Without its trace."""
    start(endpoint=phoenix_like.url)
    phoenix_like.known.add(SPAN)
    assert llmtrace.record_score("thumbs", score=1, span_id=SPAN) is ScoreOutcome.TAKEN
    assert llmtrace.flush(10)
    assert phoenix_like.annotations[0][1]["span_id"] == SPAN


def test_it_is_tried_again_until_the_span_is_there(start, phoenix_like, strict):
    """A thumb may be faster than its trace."""
    start(endpoint=phoenix_like.url)
    llmtrace.record_score("thumbs", score=1, trace_id=TRACE)
    wait_until(lambda: phoenix_like.asked >= 1, "it was tried")
    assert phoenix_like.annotations == []
    phoenix_like.known.add(TRACE)
    assert llmtrace.flush(10)
    assert [given["result"] for _, given in phoenix_like.annotations] == [{"score": 1}] * 2


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_backend_that_is_busy_is_asked_again(start, phoenix_like, strict, status):
    """Until it takes it."""
    start(endpoint=phoenix_like.url)
    phoenix_like.known.add(TRACE)
    phoenix_like.status = status
    llmtrace.record_score("thumbs", score=1, trace_id=TRACE)
    wait_until(lambda: phoenix_like.asked >= 2, "it was tried twice")
    phoenix_like.status = None
    assert llmtrace.flush(10)
    assert len(phoenix_like.annotations) == 2


def test_what_is_refused_is_lost_counted_and_said_once(start, phoenix_like, lenient, counts, caplog):
    """A key that is not good enough, for instance."""
    start(endpoint=phoenix_like.url)
    phoenix_like.status = 403
    for _ in range(3):
        llmtrace.record_score("thumbs", score=1, trace_id=TRACE)
    assert llmtrace.flush(10)
    assert counts()["scores.lost.rejected"] == 3
    assert [record.getMessage() for record in caplog.records if "scores" in record.getMessage()] == [
        f"llmtrace: {phoenix_like.url} refuses scores: HTTP 403"
    ]


def test_what_waits_is_bounded_in_number_and_time(phoenix_like, counts):
    """And counted where it is lost."""
    way = Annotations(
        Destination("scores", phoenix_like.url),
        "p",
        lambda: lambda score: score,
        most=5,
        first_pause=0.05,
        patience=0.3,
    )
    phoenix_like.status = 500
    for _ in range(20):
        way.offer(Score("thumbs", TRACE, score=1))
    assert counts()["scores.lost.queue_full"] >= 14
    wait_until(lambda: counts().get("scores.lost.expired", 0) >= 5, "all were given up")
    way.offer(Score("thumbs", TRACE, score=1))
    assert not way.close(0)
    assert counts()["scores.lost.shutdown"] <= 1
    assert counts()["scores.lost.queue_full"] + counts()["scores.lost.expired"] + counts()["scores.lost.shutdown"] <= 21


def test_nobody_waits_for_a_backend_that_is_down(start, lenient):
    """Neither the caller nor `shutdown` for long; losses are counted."""
    start(endpoint="http://127.0.0.1:1")
    began = threading.active_count()
    assert llmtrace.record_score("thumbs", score=1, trace_id=TRACE) is ScoreOutcome.TAKEN
    assert not llmtrace.shutdown(0.3)
    wait_until(lambda: threading.active_count() <= began, "the thread has ended")


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": float("nan")},
        {"score": float("inf")},
        {"score": "1"},
        {"score": 10**400},
        {},
        {"score": 1, "trace_id": TRACE.upper()},
        {"score": 1, "trace_id": "0" * 32},
        {"score": 1, "trace_id": TRACE[:-1]},
        {"score": 1, "trace_id": f"{TRACE}\n"},
        {"score": 1, "trace_id": 7},
        {"score": 1, "trace_id": "\u0660" * 32},
        {"score": 1, "span_id": "xyz"},
        {"score": 1, "name": ""},
        {"score": 1, "name": "note"},
        {"score": 1, "name": "a\nb"},
        {"score": 1, "name": "n" * 129},
        {"label": "l" * 257},
        {"label": "a\x1bb"},
        {"explanation": "e" * 8193},
        {"score": 1, "identifier": "i" * 129},
        {"score": 1, "annotator": "ROBOT"},
    ],
)
def test_what_is_no_score_is_refused_and_said(start, phoenix_like, lenient, caplog, wrong):
    """Never raised into the application; nothing is written."""
    start(endpoint=phoenix_like.url)
    given = {"name": "thumbs", "trace_id": TRACE, **wrong}
    assert llmtrace.record_score(given.pop("name"), **given) is ScoreOutcome.REFUSED
    assert llmtrace.flush(5)
    assert phoenix_like.asked == 0
    assert any("a score was not recorded" in record.getMessage() for record in caplog.records)


def test_without_tracing_and_without_a_trace_it_does_nothing(spans):
    """And says so."""
    assert llmtrace.record_score("thumbs", score=1) is ScoreOutcome.NO_TRACE


def test_without_init_it_is_off():
    """A no-op, as every recording call."""
    assert llmtrace.record_score("thumbs", score=1, trace_id=TRACE) is ScoreOutcome.OFF


def test_secrets_are_taken_out_and_content_where_it_is_not_captured():
    """Of the label, the explanation and the metadata."""
    score = Score(
        "thumbs", TRACE, score=0, explanation="key AKIAIOSFODNN7EXAMPLE", metadata={"k": "AKIAIOSFODNN7EXAMPLE"}
    )
    cleaned = _clean_score(Privacy())(score)
    assert "AKIA" not in json.dumps([cleaned.explanation, dict(cleaned.metadata)])
    assert "key" in (cleaned.explanation or "")
    assert _clean_score(Privacy(capture_content=False))(score).explanation is None


# Traces that were not kept.


def boring() -> str:
    """A trace that chance drops."""
    with llmtrace.chain_span("boring"):
        found = llmtrace.current_trace_id()
    assert llmtrace.flush(10)
    return found or ""


def test_a_bad_score_brings_a_recently_dropped_trace_back(start, sink, strict):
    """The trace arrives, and says by whom it was asked for."""
    start(sampling=SamplingPolicy(ratio=0.0))
    trace_id = boring()
    assert sink.spans == []
    assert llmtrace.record_score("thumbs", score=1, trace_id=trace_id) is ScoreOutcome.NOT_KEPT
    assert llmtrace.record_score("thumbs", score=0, trace_id=trace_id) is ScoreOutcome.TAKEN
    (span,) = sink.wait_for_spans(1)
    assert span.trace_id == trace_id
    assert span.attributes["llmtrace.sampling.reason"] == "forced"


def test_later_the_trace_is_gone(start, sink, strict):
    """When its spans are not at hand any more, a bad score finds nothing either."""
    start(sampling=SamplingPolicy(ratio=0.0, grave_spans=0))
    assert llmtrace.record_score("thumbs", score=0, trace_id=boring()) is ScoreOutcome.NOT_KEPT
    assert llmtrace.flush(10)
    assert sink.spans == []


def test_a_bad_score_inside_a_request_keeps_it(start, sink, strict):
    """Its verdict is still to come."""
    start(sampling=SamplingPolicy(ratio=0.0))
    with llmtrace.chain_span("asked"):
        assert llmtrace.record_score("guard", label="fail", annotator="CODE") is ScoreOutcome.TAKEN
    assert llmtrace.flush(0.5) or True
    assert [span.name for span in sink.wait_for_spans(1)] == ["asked"]


def test_every_score_is_a_metric(start, sink, strict):
    """Whatever became of the trace, below 0 and in words alone too; and no span is made for it."""
    start(metrics=sink.url, sampling=SamplingPolicy(ratio=0.0, grave_spans=0))
    gone = boring()
    for score in (1, 0):
        llmtrace.record_score("thumbs", score=score, trace_id=gone)
    llmtrace.record_score("stars", score=4, trace_id=TRACE)
    llmtrace.record_score("stars", label="good", trace_id=TRACE)
    llmtrace.record_score("sentiment", score=-0.5, trace_id=TRACE)
    llmtrace.flush(3)
    sent = metric_points.latest(sink)
    measured = sent["llmtrace.evaluation.score"]
    said = {
        (point.attributes["gen_ai.evaluation.name"], point.attributes.get("gen_ai.evaluation.score.label")): point.value
        for point in sent["llmtrace.evaluation.results"].points
    }
    assert said == {("thumbs", None): 2, ("stars", None): 1, ("stars", "good"): 1, ("sentiment", "negative"): 1}
    assert measured.total(gen_ai__evaluation__name="thumbs") == 2
    assert measured.total(gen_ai__evaluation__name="stars") == 1
    assert sink.spans == []
