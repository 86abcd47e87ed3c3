"""The how-to page of the httpx capture, run."""

from __future__ import annotations

from pages import examples, run_example
from provider_payloads import CHAT_WHOLE
from provider_server import provider_server

import llmtrace
from llmtrace.integrations.httpx import uninstrument_httpx

pytest_plugins = ("core_fixtures",)


def test_the_page_runs(fresh_otel, clean_env, monkeypatch, sink):
    """The call of the page becomes the span that the page describes."""
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", sink.url)
    begin, call, hosts = examples("how-to/capture-model-calls-on-httpx.md")
    try:
        run_example(begin)
        with provider_server() as server:
            server.reply = CHAT_WHOLE[0].reply
            assert run_example(call, gateway=server.url)["answer"].status_code == 200
            run_example(hosts)
            run_example(call, gateway=server.url)
        assert llmtrace.flush(10)
    finally:
        llmtrace.shutdown()
        uninstrument_httpx()
    first, _ = sink.spans
    assert first.name == "llm.chat"
    assert first.attributes["llm.request.model_name"] == "llama-9"
    assert ["traceparent" in headers for headers in server.headers] == [True, False]
