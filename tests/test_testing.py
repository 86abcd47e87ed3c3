"""The shipped test helper."""

from __future__ import annotations

import threading

import pytest

import llmtrace
from llmtrace.testing import capture_spans

pytest_plugins = ("core_fixtures",)


def test_spans_are_captured_in_the_order_in_which_they_end(strict):
    """Inner before outer, as a list of OpenTelemetry's ReadableSpans."""
    with capture_spans() as spans:
        with llmtrace.agent_span("outer"), llmtrace.chain_span("inner"):
            pass
        assert [span.name for span in spans] == ["inner", "outer"]
    assert [span.attributes["openinference.span.kind"] for span in spans] == ["CHAIN", "AGENT"]


def test_decorators_and_get_tracer_are_captured_too(strict):
    """Everything that would be recorded is."""

    @llmtrace.tool
    def search() -> None: ...

    with capture_spans() as spans:
        search()
        llmtrace.get_tracer().start_span("own").end()
    assert [span.name for span in spans] == ["tool.search", "own"]


def test_afterwards_nothing_is_recorded(strict):
    """What was in use before, nothing, is in use again, also after an exception."""
    with pytest.raises(KeyError), capture_spans() as spans:
        raise KeyError
    with llmtrace.chain_span("after") as span:
        assert not span.is_recording()
    assert spans == []


def test_inside_init_tracing_only_the_list_gets_the_spans(start, sink):
    """Nothing is sent while a test captures; afterwards sending goes on."""
    start()
    with capture_spans() as spans, llmtrace.chain_span("captured"):
        pass
    with llmtrace.chain_span("sent"):
        pass
    assert llmtrace.flush(10)
    assert [span.name for span in spans] == ["captured"]
    assert sink.names == ["sent"]


def test_captures_nest(strict):
    """The inner one gets what is recorded inside it."""
    with capture_spans() as outer:
        with capture_spans() as inner, llmtrace.chain_span("a"):
            pass
        with llmtrace.chain_span("b"):
            pass
    assert ([span.name for span in inner], [span.name for span in outer]) == (["a"], ["b"])


def test_no_thread_is_started(strict):
    """Capturing works in the test's own thread."""
    before = threading.active_count()
    with capture_spans(), llmtrace.chain_span():
        assert threading.active_count() == before
