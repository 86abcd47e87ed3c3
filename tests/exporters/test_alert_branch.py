"""The branch to the router: tagged spans only, and slim."""

from __future__ import annotations

from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from records import record

from llmtrace._config import Privacy
from llmtrace.exporters.alert_branch import AlertBranch
from llmtrace.processors.chain import slim_chain
from llmtrace.semconv import alert, trace
from llmtrace.semconv.alert import AlertTag, Severity

CANARY = "c4n4ry"
TAG = AlertTag(Severity.CRITICAL, reason="nothing found", key="k", team="t", segment={"tier": "premium"})


class Sink:
    def __init__(self) -> None:
        self.records = []

    def offer(self, record) -> None:
        self.records.append(record)


def full_of_content():
    """What may travel of a span, and the span itself, with a canary in every other position."""
    content = {
        trace.INPUT_VALUE: CANARY,
        trace.OUTPUT_VALUE: CANARY,
        trace.METADATA: CANARY,
        trace.TAGS: (CANARY,),
        trace.USER_ID: "u-1",
        trace.PROMPT_TEMPLATE: CANARY,
        trace.PROMPT_VARIABLES: CANARY,
        trace.LLM_INVOCATION_PARAMETERS: CANARY,
        trace.TOOL_PARAMETERS: CANARY,
        trace.TOOL_DESCRIPTION: CANARY,
        f"{trace.LLM_INPUT_MESSAGES}.0.message.content": CANARY,
        f"{trace.LLM_OUTPUT_MESSAGES}.0.message.tool_calls.0.tool_call.function.arguments": CANARY,
        f"{trace.RETRIEVAL_DOCUMENTS}.0.document.content": CANARY,
        f"{trace.LLM_TOOLS}.0.tool.json_schema": CANARY,
        "my.own": CANARY,
        CANARY: "value",
    }
    slim = {
        trace.SPAN_KIND: "LLM",
        trace.LLM_MODEL_NAME: "gpt-4o-mini",
        trace.LLM_TOKEN_COUNT_TOTAL: 7,
        trace.PROMPT_VERSION: "v7",
        trace.SESSION_ID: "s-1",
        **TAG.to_attributes(),
    }
    return slim, record(
        {**content, **slim},
        name="llm.chat",
        events=[
            Event("exception", {"exception.message": CANARY}),
            Event(alert.EVENT_NAME, TAG.to_attributes()),
            Event(CANARY, {"k": CANARY}),
        ],
        links=[Link(SpanContext(1, 2, is_remote=False), {"k": CANARY})],
        status=Status(StatusCode.ERROR, CANARY),
    )


def test_an_untagged_span_does_not_go_to_the_router():
    """Only an event named llmtrace.alert opens the branch, not an attribute, not the root's mark."""
    sink = Sink()
    branch = AlertBranch(sink)
    branch.offer(record({trace.INPUT_VALUE: CANARY}))
    branch.offer(record({alert.TRACE_SEVERITY: "critical"}))
    branch.offer(record({}, events=[Event("exception", {})]))
    assert sink.records == []


def test_a_tagged_span_leaves_slim():
    """Kind, model, counts, ids and the tag travel, and nothing that anybody said."""
    slim, span = full_of_content()
    sink = Sink()
    AlertBranch(sink).offer(span)
    (sent,) = sink.records
    assert sent.attributes == slim
    assert [event.name for event in sent.events] == [alert.EVENT_NAME]
    assert dict(sent.events[0].attributes) == TAG.to_attributes()
    assert sent.status.status_code is StatusCode.ERROR
    assert sent.status.description is None
    assert (sent.name, sent.start_time, sent.end_time, sent.context) == (
        span.name,
        span.start_time,
        span.end_time,
        span.context,
    )
    assert CANARY not in repr(sent)


def test_an_event_of_a_tag_carries_nothing_but_the_tag():
    """Whoever adds content to an event named llmtrace.alert does not get it past the branch."""
    sink = Sink()
    event = Event(alert.EVENT_NAME, {**TAG.to_attributes(), "input.value": CANARY})
    AlertBranch(sink).offer(record({}, events=[event]))
    assert CANARY not in str([dict(event.attributes) for event in sink.records[0].events])


def test_what_is_left_is_redacted():
    """The user's own words in a tag go through the branch's own redaction: it stands before the steps of the rest."""
    sink = Sink()
    event = Event(alert.EVENT_NAME, {**TAG.to_attributes(), alert.REASON: "key AKIAIOSFODNN7EXAMPLE leaked"})
    AlertBranch(sink, lambda: slim_chain(Privacy())).offer(record({}, events=[event]))
    (sent,) = sink.records
    assert "AKIAIOSFODNN7EXAMPLE" not in str(dict(sent.events[0].attributes))
    assert "leaked" in sent.events[0].attributes[alert.REASON]
