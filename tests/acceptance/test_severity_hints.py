"""Hint rules from end to end: app code in, tags on the wire out."""

from __future__ import annotations

import re
import textwrap
from contextlib import suppress
from pathlib import Path

import metric_points
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind
from scripts import output_of

import llmtrace
from llmtrace.semconv import alert

pytest_plugins = ("core_fixtures",)

GUIDE = Path(llmtrace.__file__).parent.parent / "docs/how-to/severity-hints.md"


class RateLimitError(Exception):
    """As a provider's SDK raises it."""


def failing_call() -> None:
    """A model call that fails, below an agent that copes."""
    with llmtrace.agent_span("support"), pytest.raises(RateLimitError), llmtrace.llm_span("gpt-4o", "secret question"):
        raise RateLimitError("secret answer")


def tags(span) -> list[tuple[str, str, str]]:
    """Key, severity and source of each tag of a span."""
    return [
        (attributes.get(alert.KEY), attributes[alert.SEVERITY], attributes[alert.SOURCE])
        for name, attributes in span.events
        if name == alert.EVENT_NAME
    ]


@pytest.mark.parametrize("capture_content", [True, False])
def test_a_failed_call_is_tagged_and_reaches_the_router(start, sink, router, capture_content):
    """By default, where there is a router, with and without content: on the span, the root and the slim span."""
    start(alerts=router.url, capture_content=capture_content)
    failing_call()
    assert llmtrace.flush(10)
    assert tags(sink.span("llm.chat")) == [("llm-error", "error", "rule:llm-error")]
    assert sink.span("llm.chat").attributes[alert.SEVERITY] == "error"
    assert sink.span("support").attributes[alert.TRACE_SEVERITY] == "error"
    assert tags(sink.span("support")) == []
    assert tags(router.span("llm.chat")) == [("llm-error", "error", "rule:llm-error")]
    assert router.names == ["llm.chat"]
    assert all(b"secret" not in request.body for request in router.requests)
    assert "RateLimitError" in router.span("llm.chat").attributes[alert.REASON]


@pytest.mark.parametrize("settings", [{}, {"hints": False}])
def test_nothing_is_tagged_unless_there_is_a_router_or_a_wish(start, sink, settings):
    """Without a router, and with hints=False, spans are as the application made them."""
    start(**settings)
    failing_call()
    assert llmtrace.flush(10)
    assert tags(sink.span("llm.chat")) == []


def test_the_environment_switches_and_names_a_file(start, sink, monkeypatch, tmp_path):
    """LLMTRACE_HINTS is a file, on or off."""
    (tmp_path / "h.toml").write_text('rules = [{name = "mine", when = "exception", severity = "critical"}]')
    for word, expected in ((str(tmp_path / "h.toml"), ["mine"]), ("on", ["llm-error"]), ("OFF", [])):
        monkeypatch.setenv("LLMTRACE_HINTS", word)
        start()
        failing_call()
        assert llmtrace.shutdown(10)
        assert [key for key, _, _ in tags(sink.spans[-2])] == expected


def test_a_mistake_is_an_error_at_start(start, tmp_path):
    """One line with the file, the rule, the key, the value and what is allowed."""
    file = tmp_path / "hints.toml"
    file.write_text('rules = [{name = "r", when = "slow", over = "soon"}]')
    with pytest.raises(
        llmtrace.ConfigurationError, match=r"hints\.toml: rules\[0\]: hint rule r: over='soon'; allowed"
    ):
        start(hints=file)
    with pytest.raises(llmtrace.ConfigurationError, match="hints=7; allowed: True, False, a file, or a list"):
        start(hints=7)


def test_the_guides_file_does_what_the_guide_says(start, sink, router, tmp_path):
    """The example of docs/how-to/severity-hints.md, as it stands: a rate limit is a critical alert of its key."""
    (text,) = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "hints.toml").write_text(textwrap.dedent(text))
    start(alerts=router.url, hints=str(tmp_path / "hints.toml"), service_name="support-bot")
    failing_call()
    with llmtrace.retrieval_span("q") as span:
        span.record_documents([])
    assert llmtrace.flush(10)
    assert tags(router.span("llm.chat")) == [
        ("llm-error", "error", "rule:llm-error"),
        ("provider-down", "critical", "rule:provider-limits"),
    ]
    assert tags(router.span("retrieval")) == [("nothing-found", "warning", "rule:nothing-found")]
    assert router.span("retrieval").attributes["llmtrace.alert.segment.tier"] == "premium"


def test_a_rule_knows_the_route_of_the_request(start, sink):
    """The path of the request that a span belongs to, read from its open root."""
    rule = llmtrace.HintRule("r", "exception", routes=["/chat/*"])
    start(hints=[rule])
    for path in ("/chat/7", "/health"):
        tracer = llmtrace.get_tracer()
        with tracer.start_as_current_span(path, kind=SpanKind.SERVER, attributes={"url.path": path}):
            failing_call()
    assert llmtrace.flush(10)
    assert [bool(tags(span)) for span in sink.spans if span.name == "llm.chat"] == [True, False]


def test_a_tag_of_a_rule_keeps_the_trace_whatever_the_sampling(start, sink, router):
    """At a ratio of 0 the trace that a rule tags is kept, for that reason and with its root marked; others are not."""
    rule = llmtrace.HintRule("empty", "retrieval_empty", "error")
    start(alerts=router.url, hints=[rule], sampling="production:ratio=0")
    for documents in ([], [{"content": "d"}]):
        with llmtrace.agent_span("support"), llmtrace.retrieval_span("q") as span:
            span.record_documents(documents)
    assert llmtrace.flush(10)
    assert sorted(sink.names) == ["retrieval", "support"]
    assert {span.attributes["llmtrace.sampling.reason"] for span in sink.spans} == {"alert"}
    assert sink.span("support").attributes[alert.TRACE_SEVERITY] == "error"
    assert router.names == ["retrieval"]


def test_the_cost_of_a_call_is_known_to_the_rules(start, sink):
    """A price that llmtrace works out itself counts, as one that the application sets does."""
    start(hints=[llmtrace.HintRule("dear", "cost", over=0.01)])
    with llmtrace.llm_span("gpt-4o", "hello") as span:
        span.set_attributes({"llm.token_count.prompt": 1_000_000, "llm.token_count.completion": 0})
    with llmtrace.llm_span("gpt-4o", "hello") as span:
        span.set_attributes({"llm.token_count.prompt": 100, "llm.token_count.completion": 0})
    assert llmtrace.flush(10)
    assert [bool(tags(span)) for span in sink.spans] == [True, False]


@pytest.mark.parametrize("sampling", ["development", "production:ratio=0"])
def test_spans_of_a_third_party_in_the_applications_provider_are_seen_too(start, sink, router, fresh_otel, sampling):
    """Instrumentation that knows nothing of llmtrace, in a provider of the application: tagged, measured, kept."""
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))
    start(alerts=router.url, sampling=sampling, metrics=sink.url)
    tracer = trace.get_tracer("third.party")
    with tracer.start_as_current_span("request"), suppress(RateLimitError):
        attributes = {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o"}
        with tracer.start_as_current_span("ChatCompletion", attributes=attributes):
            raise RateLimitError("secret answer")
    assert llmtrace.flush(10)
    assert tags(sink.span("ChatCompletion")) == [("llm-error", "error", "rule:llm-error")]
    assert sink.span("request").attributes[alert.TRACE_SEVERITY] == "error"
    assert router.names == ["ChatCompletion"]
    assert b"secret" not in router.requests[0].body
    (point,) = metric_points.latest(sink)["gen_ai.client.operation.duration"].points
    assert point.attributes["error.type"].endswith("RateLimitError")


FORKING = """
    import os, llmtrace
    llmtrace.init_tracing(service_name="forks", endpoint="{sink}", alerts="{router}", spool=False)
    def work(times):
        for _ in range(times):
            with llmtrace.tool_span("t", {{}}): llmtrace.tag_alert("error", key="k")
    work(3)
    child = os.fork()
    if child == 0:
        work(2)
        assert llmtrace.shutdown(10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    work(4)
"""


def test_a_forked_child_and_its_parent_count_their_own_alerts(sink, router):
    """Nothing is lost and nothing counted twice over a fork in the middle of a storm, nor at the end of the process."""
    assert output_of(FORKING.format(sink=sink.url, router=router.url)) == ""
    counts = [
        attributes.get(alert.COUNT, 1)
        for span in router.spans
        for name, attributes in span.events
        if name == alert.EVENT_NAME
    ]
    assert sum(counts) == 9
    assert len(counts) <= 4
