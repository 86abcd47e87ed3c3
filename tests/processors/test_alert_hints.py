"""Spans tagged by rule."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import SpanContext, Status, StatusCode
from records import record

from llmtrace.hints import DEFAULTS, HintRule
from llmtrace.processors import alert_hints
from llmtrace.processors.alert_hints import AlertHints
from llmtrace.semconv import alert, trace
from llmtrace.semconv.alert import AlertTag, Severity

SECOND = 1_000_000_000
FAILED = Status(StatusCode.ERROR)
SECRET = "s3cret-content"


def failed(kind: str = "LLM", error: str = "openai.RateLimitError", **fields):
    """A span that ended with an exception."""
    event = Event("exception", {"exception.type": error, "exception.message": SECRET})
    return record({trace.SPAN_KIND: kind}, status=FAILED, events=[event], **fields)


def span(kind: str, attributes=None, **fields):
    """A span of that kind."""
    return record({trace.SPAN_KIND: kind, **(attributes or {})}, **fields)


def tags(found) -> list[AlertTag]:
    """The tags that a span carries."""
    return [AlertTag.from_attributes(event.attributes) for event in found.events if event.name == alert.EVENT_NAME]


def hint(found, **rule) -> list[AlertTag]:
    """The tags that one rule gives a span."""
    return tags(AlertHints([HintRule("r", **rule)])(found))


DOCUMENTS = {
    trace.RETRIEVAL_COUNT: 2,
    "retrieval.documents.0.document.score": 0.2,
    "retrieval.documents.0.document.content": SECRET,
    "retrieval.documents.1.document.score": 0.25,
}
TALK = {trace.LLM_TOKEN_COUNT_PROMPT: 900, trace.LLM_TOKEN_COUNT_COMPLETION: 200}
FOUND = {"evaluations.0.evaluation.name": "faithful", "evaluations.0.evaluation.score": 0.4}

CASES = [
    ("an exception", {"when": "exception"}, failed(), failed("AGENT"), "failed with openai.RateLimitError"),
    ("no exception", {"when": "exception"}, failed(), span("LLM"), "failed with"),
    (
        "its type", {"when": "exception", "exceptions": ["RateLimit*"]},
        failed(), failed(error="ValueError"), "failed with openai.RateLimitError",
    ),
    (
        "its full type", {"when": "exception", "exceptions": ["openai.*"]},
        failed(), failed(error="anthropic.RateLimitError"), "failed with openai.RateLimitError",
    ),
    ("anywhere", {"when": "exception", "kinds": ["*"]}, record(status=FAILED), record(), "failed"),
    (
        "slow", {"when": "slow", "over": "2s"},
        span("LLM", duration=3 * SECOND), span("LLM", duration=SECOND), "took 3.00 s, over 2 s",
    ),
    (
        "first token", {"when": "slow_first_token", "over": 1},
        span("LLM", {trace.TIME_TO_FIRST_TOKEN: 1.5}), span("LLM", {trace.TIME_TO_FIRST_TOKEN: 0.5}),
        "the first token came after 1.50 s, over 1 s",
    ),
    (
        "nothing found", {"when": "retrieval_empty"},
        span("RETRIEVER", {trace.RETRIEVAL_COUNT: 0}), span("RETRIEVER", {trace.RETRIEVAL_COUNT: 1}),
        "found no document",
    ),
    ("not said", {"when": "retrieval_empty"}, span("RETRIEVER", {trace.RETRIEVAL_COUNT: 0}), span("RETRIEVER"), ""),
    (
        "weak", {"when": "retrieval_weak", "under": 0.3},
        span("RETRIEVER", DOCUMENTS), span("RETRIEVER", {**DOCUMENTS, "retrieval.documents.1.document.score": 0.9}),
        "the best score is 0.25, under 0.3",
    ),
    (
        "weak without scores", {"when": "retrieval_weak", "under": 0.3},
        span("RETRIEVER", DOCUMENTS), span("RETRIEVER", {trace.RETRIEVAL_COUNT: 2}), "the best score",
    ),
    ("a tool", {"when": "tool_failure"}, failed("TOOL"), failed("LLM"), "failed with"),
    ("refused", {"when": "refusal"}, span("LLM", {trace.LLM_REFUSED: True}), span("LLM"), "the model refused"),
    (
        "filtered", {"when": "refusal"},
        span("LLM", {trace.LLM_FINISH_REASON: "SAFETY"}), span("LLM", {trace.LLM_FINISH_REASON: "stop"}),
        "the answer ended with safety",
    ),
    (
        "abandoned", {"when": "abandoned"},
        span("LLM", {trace.STREAM_OUTCOME: "abandoned"}), span("LLM", {trace.STREAM_OUTCOME: "complete"}), "nobody",
    ),
    (
        "cost", {"when": "cost", "over": 0.5},
        span("LLM", {trace.LLM_COST_TOTAL: 0.75}), span("LLM", {trace.LLM_COST_TOTAL: 0.5}), "cost 0.75, over 0.5",
    ),
    (
        "tokens", {"when": "tokens", "over": 1000}, span("LLM", TALK), span("LLM", {trace.LLM_TOKEN_COUNT_TOTAL: 7}),
        "used 1100 tokens, over 1000",
    ),
    (
        "score", {"when": "low_score", "under": 0.5},
        span("EVALUATOR", FOUND), span("EVALUATOR", {**FOUND, "evaluations.0.evaluation.score": 0.6}),
        "scored 0.4, under 0.5",
    ),
    (
        "that score", {"when": "low_score", "under": 0.5, "score": "faithful"},
        span("EVALUATOR", FOUND), span("EVALUATOR", {**FOUND, "evaluations.0.evaluation.name": "kind"}), "scored",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "bad", "good", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_rule_tags_what_it_is_about_and_nothing_else(rule, bad, good, reason):
    """Each condition tags the span that it describes, says why without a word of content, and leaves others alone."""
    (tag,) = hint(bad, severity="error", **rule)
    assert tag.severity is Severity.ERROR
    assert tag.source == "rule:r"
    assert tag.key == "r"
    assert tag.reason.startswith(reason)
    assert SECRET not in tag.reason
    hints = AlertHints([HintRule("r", severity="error", **rule)])
    assert hints(good) is good


@pytest.mark.parametrize(
    ("where", "there", "elsewhere"),
    [
        ({"services": ["support-*"]}, {"service": "support-bot"}, {"service": "search"}),
        ({"routes": ["/chat/*"]}, {"routes": ("/chat/7", "/chat/{id}")}, {"routes": ("/health",)}),
        ({"routes": ["/chat/{id}"]}, {"routes": ("/chat/7", "/chat/{id}")}, {"routes": ()}),
        ({"models": ["gpt-4*"]}, {trace.LLM_MODEL_NAME: "gpt-4o"}, {trace.LLM_MODEL_NAME: "gpt-5"}),
        ({"prompt_versions": ["v7"]}, {trace.PROMPT_VERSION: "v7"}, {trace.PROMPT_VERSION: "v70"}),
        ({"spans": ["llm.*"]}, {"name": "llm.chat"}, {"name": "LLM.chat"}),
        (
            {"models": ["a"], "prompt_versions": ["v1"]},
            {trace.LLM_MODEL_NAME: "a", trace.PROMPT_VERSION: "v1"},
            {trace.LLM_MODEL_NAME: "a"},
        ),
    ],
)
def test_a_rule_holds_where_it_is_said_to_hold(where, there, elsewhere):
    """For a service, a route, a model, a prompt version, a span name; several must all hold."""

    def make(facts):
        fields = {name: value for name, value in facts.items() if name in ("routes", "name")}
        if "service" in facts:
            fields["resource"] = Resource({trace.SERVICE_NAME: facts["service"]})
        attributes = {key: value for key, value in facts.items() if "." in key}
        return span("LLM", {**attributes, trace.LLM_FINISH_REASON: "refusal"}, **fields)

    assert len(hint(make(there), when="refusal", **where)) == 1
    assert hint(make(elsewhere), when="refusal", **where) == []


def test_a_tag_is_written_as_tag_alert_writes_it():
    """Event and attributes carry every field of the rule under its key of the wire."""
    rule = HintRule(
        "r", "exception", "critical", key="k", team="t", priority="P1", runbook_url="https://r", regulated=True,
        segment={"tier": "premium"},
    )  # fmt: skip
    found = AlertHints([rule])(failed())
    expected = {
        "llmtrace.alert.severity": "critical",
        "llmtrace.alert.source": "rule:r",
        "llmtrace.alert.reason": "failed with openai.RateLimitError",
        "llmtrace.alert.key": "k",
        "llmtrace.alert.team": "t",
        "llmtrace.alert.priority": "P1",
        "llmtrace.alert.runbook_url": "https://r",
        "llmtrace.alert.regulated": True,
        "llmtrace.alert.segment.tier": "premium",
    }
    (event,) = [event for event in found.events if event.name == alert.EVENT_NAME]
    assert dict(event.attributes) == expected
    assert event.timestamp == found.end_time
    assert expected.items() <= found.attributes.items()
    assert found.attributes["llmtrace.trace.alert_severity"] == "critical"


def test_the_same_key_is_the_same_alert_and_the_worst_is_the_spans():
    """Of rules and tags with one key the most severe stays, and nothing of a milder one is left in the attributes."""
    own = AlertTag(Severity.WARNING, key="k", team="mine").to_attributes()
    tagged = failed()
    tagged = record(
        {**tagged.attributes, **own}, status=FAILED, events=[*tagged.events, Event(alert.EVENT_NAME, own, 1)]
    )
    worse = [HintRule("a", "exception", "error", key="k"), HintRule("b", "exception", "info", key="other")]
    found = AlertHints(worse)(tagged)
    assert [(tag.key, tag.severity) for tag in tags(found)] == [("k", Severity.ERROR), ("other", Severity.INFO)]
    assert found.attributes[alert.SEVERITY] == "error"
    assert alert.TEAM not in found.attributes
    milder = AlertHints([HintRule("a", "exception", "info", key="k")])(tagged)
    assert [(tag.key, tag.team) for tag in tags(milder)] == [("k", "mine")]
    assert milder.attributes[alert.TEAM] == "mine"


def test_the_defaults_leave_a_span_alone_that_was_tagged():
    """Who tags a failure himself is told of it once."""
    own = AlertTag(Severity.INFO, key="mine").to_attributes()
    tagged = failed()
    tagged = record(tagged.attributes, status=FAILED, events=[*tagged.events, Event(alert.EVENT_NAME, own, 1)])
    assert len(tags(AlertHints(DEFAULTS)(tagged))) == 1
    assert [tag.key for tag in tags(AlertHints(DEFAULTS)(failed()))] == ["llm-error"]
    assert tags(AlertHints(DEFAULTS)(failed("AGENT"))) == []


def child(**fields):
    """A failed span below a local parent."""
    return failed(span_id=3, parent=SpanContext(1, 2, is_remote=False), **fields)


def test_the_root_carries_the_worst_that_a_rule_found_below_it():
    """The root ends last: it is marked on its way through, whatever its own attributes say that is milder."""
    hints = AlertHints([HintRule("a", "exception", "error"), HintRule("b", "tool_failure", "critical")])
    assert alert.TRACE_SEVERITY not in hints(child()).attributes
    hints(child(kind="TOOL"))
    for parent in (None, SpanContext(1, 9, is_remote=True)):
        root = hints(span("AGENT", {alert.TRACE_SEVERITY: "warning"}, parent=parent))
        assert root.attributes[alert.TRACE_SEVERITY] == "critical"
        assert tags(root) == []
    other = span("AGENT", context=SpanContext(7, 2, is_remote=False))
    assert hints(other) is other


def test_what_is_remembered_of_traces_is_bounded(monkeypatch):
    """Roots that never end do not make it grow."""
    monkeypatch.setattr(alert_hints, "MOST_TRACES", 10)
    hints = AlertHints(DEFAULTS)
    for trace_id in range(1, 100):
        hints(
            failed(context=SpanContext(trace_id, 3, is_remote=False), parent=SpanContext(trace_id, 2, is_remote=False))
        )
    assert len(hints._worst) == 10


def test_hostile_attributes_do_no_harm():
    """Numbers that are none, lists that are texts: no rule holds, and none fails."""
    odd = {
        trace.TIME_TO_FIRST_TOKEN: "soon", trace.LLM_COST_TOTAL: True, trace.LLM_TOKEN_COUNT_TOTAL: float("nan"),
        trace.RETRIEVAL_COUNT: "0", trace.LLM_FINISH_REASON: 7, trace.STREAM_OUTCOME: ("abandoned",),
        "evaluations.0.evaluation.name": "x", "evaluations.0.evaluation.score": "bad", trace.LLM_REFUSED: "yes",
    }  # fmt: skip
    rules = [
        HintRule(when, when, kinds=["*"], **limits)
        for when, limits in {
            "slow_first_token": {"over": 0}, "cost": {"over": 0}, "tokens": {"over": 0}, "retrieval_empty": {},
            "retrieval_weak": {"under": 1}, "refusal": {}, "abandoned": {}, "low_score": {"under": 1},
        }.items()
    ]  # fmt: skip
    assert tags(AlertHints(rules)(span("LLM", odd))) == []
