"""The branch to the router: tagged spans only, and slim."""

from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from records import record
from waiting import wait_until

import llmtrace
from llmtrace._config import Privacy
from llmtrace.exporters.alert_branch import AlertBranch
from llmtrace.exporters.pipeline import Pipeline
from llmtrace.processors.chain import slim_chain
from llmtrace.semconv import alert, trace
from llmtrace.semconv.alert import AlertTag, Severity
from llmtrace.testing import capture_spans

CANARY = "c4n4ry"
TAG = AlertTag(Severity.CRITICAL, reason="nothing found", key="k", team="t", segment={"tier": "premium"})


class Sink:
    def __init__(self) -> None:
        self.records = []

    def offer(self, records) -> None:
        self.records.extend(records)

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - a sink's signature
        return True

    close = flush

    def after_fork_in_child(self) -> None:
        """What was sent stays for the test to look at."""


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


def test_a_storm_leaves_as_two_spans_with_the_count():
    """The rest of a window leaves when it is over, asked by tick, which says when to ask again."""
    sink, now = Sink(), [0.0]
    branch = AlertBranch(sink, clock=lambda: now[0])
    assert branch.tick() is None
    for _ in range(1_000):
        branch.offer(record({}, events=[Event(alert.EVENT_NAME, TAG.to_attributes())]))
    assert branch.tick() == 10
    assert len(sink.records) == 1
    now[0] = 10.0
    assert branch.tick() is None
    assert [sent.events[0].attributes.get(alert.COUNT, 1) for sent in sink.records] == [1, 999]


@pytest.mark.parametrize("end", ["flush", "close"])
def test_the_count_of_a_window_that_is_open_leaves_at_flush_and_close(end):
    """Nothing that is counted is lost at the end of the process."""
    sink = Sink()
    branch = AlertBranch(sink)
    for _ in range(5):
        branch.offer(record({}, events=[Event(alert.EVENT_NAME, TAG.to_attributes())]))
    assert getattr(branch, end)(time.monotonic() + 1)
    assert [sent.events[0].attributes.get(alert.COUNT, 1) for sent in sink.records] == [1, 4]


def test_a_forked_child_does_not_send_its_parents_counts():
    """The parent sends them; the child begins its own windows."""
    sink = Sink()
    branch = AlertBranch(sink)
    for _ in range(5):
        branch.offer(record({}, events=[Event(alert.EVENT_NAME, TAG.to_attributes())]))
    branch.after_fork_in_child()
    branch.offer(record({}, events=[Event(alert.EVENT_NAME, TAG.to_attributes())]))
    assert branch.flush(time.monotonic() + 1)
    assert [sent.events[0].attributes.get(alert.COUNT, 1) for sent in sink.records] == [1, 1]


def test_what_is_counted_is_redacted_too():
    """The span that stands for others has gone through the same steps as the first."""
    sink = Sink()

    def hide(span):
        events = [Event(tag.name, {**tag.attributes, alert.REASON: "hidden"}, tag.timestamp) for tag in span.events]
        return span._replace(attributes={**span.attributes, alert.REASON: "hidden"}, events=events)

    branch = AlertBranch(sink, lambda: (hide,))
    for _ in range(3):
        branch.offer(record({}, events=[Event(alert.EVENT_NAME, TAG.to_attributes())]))
    branch.flush(time.monotonic() + 1)
    assert len(sink.records) == 2
    assert TAG.reason not in repr([(sent.attributes, dict(sent.events[0].attributes)) for sent in sink.records])


def test_a_window_that_is_over_sends_its_count_without_another_span():
    """The worker asks by itself: nobody has to end a span, or to flush, for the count of the last storm to leave."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (), alerts=AlertBranch(sink, interval=0.3), gather=0.01)
    with capture_spans() as spans, llmtrace.chain_span("c"):
        llmtrace.tag_alert("error", key="k")
    for _ in range(7):
        pipeline.on_end(spans[0])
    wait_until(lambda: len(sink.records) == 2, "the count leaves")
    assert [sent.events[0].attributes.get(alert.COUNT, 1) for sent in sink.records] == [1, 6]
    assert pipeline.close(time.monotonic() + 5)
