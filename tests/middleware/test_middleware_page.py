"""The how-to page of the middleware, run."""

from __future__ import annotations

import pytest
from asgi_calls import call, sent_header
from pages import examples, run_example

import llmtrace

pytest_plugins = ("core_fixtures",)

PAGE = "how-to/trace-id-on-every-answer.md"


def test_the_page_runs(fresh_otel, clean_env, monkeypatch, sink, spans):
    """Each example of the page does what the page says."""
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", sink.url)
    fastapi, *_ = examples(PAGE)
    app = run_example(fastapi)["app"]
    try:
        answer = call(app, path="/ask", query_string=b"question=Weather")
        (header,) = sent_header(answer, b"x-trace-id")
        with pytest.raises(KeyError):
            call(app, path="/fail")
        assert llmtrace.flush(10)
    finally:
        llmtrace.shutdown()
    asked = [span for span in sink.spans if span.trace_id == header.decode()]
    assert {"GET /ask", "support"} <= {span.name for span in asked}
    assert len({span.trace_id for span in sink.spans}) == 2


def test_wrapping_and_naming(spans):
    """The examples without `init_tracing` of their own."""
    _, bare, who, keep = examples(PAGE)
    assert len(sent_header(call(run_example(bare)["app"]), b"x-trace-id")) == 1
    call(run_example(who)["app"], [(b"x-user", b"u-1"), (b"x-conversation", b"c-1")], "/nowhere")
    assert (spans[-1].attributes["user.id"], spans[-1].attributes["session.id"]) == ("u-1", "c-1")
    call(run_example(keep)["app"], path="/support/4711")
    assert spans[-1].attributes["llmtrace.keep"] is True
