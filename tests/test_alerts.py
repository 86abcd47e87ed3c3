"""tag_alert: what it writes, and where it goes."""

from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_sink import HANGS, TAKEN

import llmtrace
from llmtrace.semconv.alert import Severity

pytest_plugins = ("core_fixtures",)

FULL = {
    "llmtrace.alert.severity": "critical",
    "llmtrace.alert.source": "tag",
    "llmtrace.alert.reason": "retriever returned nothing",
    "llmtrace.alert.key": "retriever-down",
    "llmtrace.alert.team": "legal-ai",
    "llmtrace.alert.priority": "P1",
    "llmtrace.alert.runbook_url": "https://runbook",
    "llmtrace.alert.regulated": True,
    "llmtrace.alert.segment.tier": "premium",
}


def tag_in_full() -> None:
    """Tag with every field there is."""
    llmtrace.tag_alert(
        "critical",
        reason="retriever returned nothing",
        team="legal-ai",
        priority="P1",
        key="retriever-down",
        runbook_url="https://runbook",
        regulated=True,
        segment={"tier": "premium"},
    )


def alert_attributes(span) -> dict:
    """The tag among a span's attributes."""
    return {key: value for key, value in span.attributes.items() if key.startswith("llmtrace.alert.")}


def tags(span) -> list[dict]:
    """The tags among the events."""
    return [dict(event.attributes) for event in span.events if event.name == "llmtrace.alert"]


def test_a_tag_is_an_event_and_the_spans_attributes(spans, strict):
    """Every field stands under its key of the wire, on the event and on the span, and the root knows the severity."""
    with llmtrace.chain_span("c"):
        tag_in_full()
    (span,) = spans
    assert tags(span) == [FULL]
    assert alert_attributes(span) == FULL
    assert span.attributes["llmtrace.trace.alert_severity"] == "critical"


def test_a_short_tag_has_severity_and_source_only(spans, strict):
    """What was not said is not sent."""
    with llmtrace.chain_span("c"):
        llmtrace.tag_alert("info")
    expected = {"llmtrace.alert.severity": "info", "llmtrace.alert.source": "tag"}
    assert tags(spans[0]) == [expected]
    assert alert_attributes(spans[0]) == expected


def test_the_most_severe_tag_is_the_spans(spans, strict):
    """Two keys are two events; the attributes are wholly those of the worse tag, whatever the order."""
    for order in (("warning", "critical"), ("critical", "warning")):
        with llmtrace.chain_span("c"):
            for severity in order:
                llmtrace.tag_alert(severity, key=severity, team=f"team-{severity}")
    for span in spans:
        assert sorted(tag["llmtrace.alert.key"] for tag in tags(span)) == ["critical", "warning"]
        assert alert_attributes(span) == {
            "llmtrace.alert.severity": "critical",
            "llmtrace.alert.source": "tag",
            "llmtrace.alert.key": "critical",
            "llmtrace.alert.team": "team-critical",
        }


def test_a_worse_tag_leaves_nothing_of_the_milder_one(spans, strict):
    """The attributes of a span are one tag's, not a mixture of two."""
    with llmtrace.chain_span("c"):
        llmtrace.tag_alert("warning", key="a", reason="mild", team="t", segment={"tier": "x"})
        llmtrace.tag_alert("critical", key="b")
    assert alert_attributes(spans[0]) == {
        "llmtrace.alert.severity": "critical",
        "llmtrace.alert.source": "tag",
        "llmtrace.alert.key": "b",
    }


def test_the_same_key_again_is_the_same_alert(spans, strict):
    """Of tags with one key the most severe wins."""
    with llmtrace.chain_span("c"):
        llmtrace.tag_alert("warning", key="k")
        llmtrace.tag_alert("critical", key="k")
        llmtrace.tag_alert("info", key="k")
    found = tags(spans[0])
    assert min(Severity(tag["llmtrace.alert.severity"]).rank for tag in found) == 0
    assert alert_attributes(spans[0])["llmtrace.alert.severity"] == "critical"


def test_the_root_carries_the_worst_of_the_trace(spans, strict):
    """llmtrace.trace.alert_severity is on the topmost span only, and is no tag of its own."""
    with llmtrace.agent_span("root"):
        with llmtrace.tool_span("mild"):
            llmtrace.tag_alert("warning")
        with llmtrace.chain_span("between"), llmtrace.tool_span("bad"):
            llmtrace.tag_alert("error")
        with llmtrace.tool_span("late"):
            llmtrace.tag_alert("info")
    found = {span.name: span for span in spans}
    assert found["root"].attributes["llmtrace.trace.alert_severity"] == "error"
    assert tags(found["root"]) == []
    assert alert_attributes(found["root"]) == {}
    for name in ("tool.mild", "between", "tool.bad", "tool.late"):
        assert "llmtrace.trace.alert_severity" not in found[name].attributes


def test_any_span_can_be_tagged(spans, strict):
    """span= takes the place of the current one; a span of an SDK tracer works too."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with llmtrace.agent_span("outer") as outer, llmtrace.chain_span("inner"):
        llmtrace.tag_alert("error", span=outer)
        with provider.get_tracer("t").start_as_current_span("theirs"):
            llmtrace.tag_alert("critical", key="k")
    found = {span.name: span for span in spans}
    assert alert_attributes(found["outer"])["llmtrace.alert.severity"] == "error"
    assert alert_attributes(found["inner"]) == {}
    (theirs,) = exporter.get_finished_spans()
    provider.shutdown()
    assert alert_attributes(theirs)["llmtrace.alert.severity"] == "critical"


@pytest.mark.parametrize("severity", ["CRITICAL", " critical ", Severity.CRITICAL])
def test_severities_are_read_leniently(spans, strict, severity):
    """Case and blanks do not matter, and our own enum is taken."""
    with llmtrace.chain_span("c"):
        llmtrace.tag_alert(severity)
    assert spans[0].attributes["llmtrace.alert.severity"] == "critical"


@pytest.mark.parametrize("severity", ["urgent", "", None, 7])
def test_an_unknown_severity_is_an_error_and_said_once(spans, strict, lenient, caplog, severity):
    """A typing mistake does not lose a hint; one log line names the four words."""
    for _ in range(3):
        with llmtrace.chain_span("c"):
            llmtrace.tag_alert(severity, key="k")
    assert [span.attributes["llmtrace.alert.severity"] for span in spans] == ["error"] * 3
    assert all(tags(span) for span in spans)
    (line,) = [entry.getMessage() for entry in caplog.records]
    assert "critical, error, warning, info" in line


@pytest.mark.parametrize("no_span", [object(), "text", 7])
def test_what_is_no_span_cannot_be_tagged_and_does_no_harm(lenient, no_span):
    """A wrong span= is our trouble, not the app's."""
    llmtrace.tag_alert("critical", span=no_span)


def test_outside_of_any_span_a_tag_does_nothing(spans, strict):
    """There is nothing to tag."""
    llmtrace.tag_alert("critical")
    assert spans == []


def test_a_tag_after_the_end_does_nothing(spans, strict):
    """An ended span is not changed."""
    with llmtrace.chain_span("c") as span:
        pass
    llmtrace.tag_alert("critical", span=span)
    assert tags(spans[0]) == []


CANARY = "c4n4ry"


def everything_with_content() -> None:
    """A trace with a canary in each position that can hold content."""
    with (
        llmtrace.using(
            user_id="u",
            tags=[CANARY],
            metadata={CANARY: CANARY},
            prompt=llmtrace.Prompt(CANARY, "v7", {CANARY: CANARY}),
        ),
        llmtrace.agent_span("support", input=CANARY, session_id="s-1"),
    ):
        with (  # noqa: PT012 - the exception is content too
            pytest.raises(ValueError, match=CANARY),
            llmtrace.llm_span("m", CANARY, tools=[CANARY], stop=CANARY) as span,
        ):
            span.record_output(CANARY)
            span.set_attribute("my.own", CANARY)
            span.set_attribute(CANARY, 1)
            span.add_event("mine", {"k": CANARY})
            tag_in_full()
            raise ValueError(CANARY)
        with llmtrace.retrieval_span(CANARY, 5) as span:
            span.record_documents([{"content": CANARY, "id": CANARY, "metadata": {"k": CANARY}}])
            llmtrace.tag_alert("warning", key="empty")
        with llmtrace.tool_span("search", {CANARY: CANARY}, description=CANARY) as span:
            span.record_output(CANARY)
            llmtrace.tag_alert("info")
        with llmtrace.chain_span("untagged", input=CANARY) as span:
            span.record_output(CANARY)


def test_tagged_spans_reach_the_router_without_content(start, sink, router):
    """Only tagged spans go to the router, with their tags, kind, model, ids and times, and nothing of the content."""
    start(alerts=router.url, environment="production", alerts_headers={"x-key": "k"})
    everything_with_content()
    assert llmtrace.flush(10)
    assert sorted(router.names) == ["llm.chat", "retrieval", "tool.search"]
    for request in router.requests:
        assert CANARY.encode() not in request.body
        assert request.path == "/v1/traces"
        assert request.headers["x-key"] == "k"
    llm, full = router.span("llm.chat"), sink.span("llm.chat")
    assert [dict(attributes) for name, attributes in llm.events] == [FULL]
    assert FULL.items() <= llm.attributes.items()
    assert llm.attributes["openinference.span.kind"] == "LLM"
    assert llm.attributes["llm.model_name"] == "m"
    assert llm.attributes["session.id"] == "s-1"
    assert llm.attributes["llm.prompt_template.version"] == "v7"
    assert (llm.trace_id, llm.span_id, llm.parent_id, llm.start, llm.end) == (
        full.trace_id,
        full.span_id,
        full.parent_id,
        full.start,
        full.end,
    )
    assert (llm.status, llm.status_message) == (2, "")
    assert llm.resource["service.name"] == "tested"
    assert llm.resource["deployment.environment.name"] == "production"
    assert router.span("retrieval").attributes["llmtrace.retrieval.documents"] == 1
    assert len(sink.spans) == 5
    assert "x-key" not in sink.requests[0].headers


def test_a_router_that_is_down_does_not_hold_up_the_backend(start, sink, router):
    """Each destination has its own queue: the backend gets its spans at once."""
    router.then = HANGS
    start(alerts=router.url)
    with llmtrace.chain_span("c"):
        llmtrace.tag_alert("critical")
    began = time.monotonic()
    sink.wait_for_spans(1)
    assert time.monotonic() - began < 8
    router.wait_for_requests(1)
    router.then = TAKEN
    router.release()
    assert llmtrace.flush(10)
