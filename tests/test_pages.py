"""The pages whose examples no other test runs, run; and a list of who runs the others, so that none is forgotten."""

from __future__ import annotations

import ast
import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import openai
import pytest
from pages import DOCS, examples, run_example
from provider_payloads import CHAT_STREAMS, CHAT_WHOLE
from provider_server import provider_server
from waiting import wait_until

import llmtrace
from llmtrace.semconv import trace as keys

pytest_plugins = ("core_fixtures",)

TESTS = Path(__file__).parent
ELSEWHERE = {
    "how-to/capture-model-calls-on-httpx.md": "integrations/test_httpx_page.py::test_the_page_runs",
    "how-to/gen-ai-backends.md": "test_backend_pages.py::test_each_example_sends_what_its_backend_wants",
    "how-to/ids-in-logs.md": "integrations/test_log_pages.py::test_the_page_of_the_logs_runs",
    "how-to/keep-and-back-up.md": "router/test_router_howto.py::"
    "test_a_copy_made_while_it_runs_has_all_that_was_accepted_before",
    "how-to/metrics.md": "acceptance/test_prometheus_scrape.py::",
    "how-to/post-to-a-webhook.md": "router/test_router_howto.py::test_the_signature_is_checked_as_the_page_shows",
    "how-to/scores-and-feedback.md": "acceptance/test_scores_in_phoenix.py::test_the_page_runs",
    "how-to/send-to-arize.md": "test_backend_pages.py::test_each_example_sends_what_its_backend_wants",
    "how-to/severity-hints.md": "acceptance/test_severity_hints.py::",
    "how-to/test-your-tracing.md": "test_testing.py::",
    "how-to/threads-and-tasks.md": "integrations/test_log_pages.py::test_the_page_of_the_threads_runs",
    "how-to/trace-id-on-every-answer.md": "middleware/test_middleware_page.py::test_the_page_runs",
    "index.md": "test_docs.py::test_the_front_page_runs",
    "tutorials/first-trace.md": "test_docs.py::test_the_first_tutorial_runs",
    "tutorials/from-span-to-page.md": "router/test_router_tutorial.py::",
    "tutorials/observe-warn-page.md": "router/test_router_rollout_tutorial.py::",
}
"""Page: the test that runs its examples; `::` alone: a file that is about the page."""
QUESTION = [{"role": "user", "content": "Hello?"}]


def test_every_page_with_an_example_is_run() -> None:
    """Each page with Python in it is run by a test that exists and names the page: here, or where it says."""
    here = Path(__file__).read_text(encoding="utf-8").partition("QUESTION =")[2]
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if "```python" in page.read_text()}
    assert sorted(page for page in pages - set(ELSEWHERE) if page not in here) == []
    for page, test in ELSEWHERE.items():
        file, _, name = test.partition("::")
        source = (TESTS / file).read_text(encoding="utf-8")
        assert Path(page).stem in source, f"{file} does not read {page}"
        tree = ast.walk(ast.parse(source))
        names = {node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert not name or name in names, f"{file} has no {name}"


@pytest.fixture
def at_the_sink(sink, clean_env, fresh_otel, monkeypatch):
    """What a page sends goes to the sink."""
    monkeypatch.setenv("PHOENIX_COLLECTOR_ENDPOINT", sink.url)
    yield sink
    llmtrace.shutdown(timeout=0.2)


@pytest.fixture
def client():
    """OpenAI's own, whose provider is on this machine."""
    with provider_server() as server:
        server.reply = CHAT_WHOLE[0].reply
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as ready:
            ready.server = server
            yield ready


def test_a_call_that_an_instrumentor_sees_too_is_one_span(at_the_sink, client):
    """The page about auto-instrumentation: recorded once, with its answer."""
    begin, call = examples("how-to/auto-instrumentation.md")
    names = run_example(begin.replace("=True", '=["openai"]'))  # all that is installed here takes ten seconds
    run_example(call, **names, messages=QUESTION, client=client)
    assert llmtrace.flush(10)
    calls = [span for span in at_the_sink.spans if span.attributes.get(keys.SPAN_KIND) == keys.KIND_LLM]
    assert [span.name for span in calls] == ["llm.chat"]
    assert any(key.startswith(keys.LLM_OUTPUT_MESSAGES) for key in calls[0].attributes)


def test_what_the_page_about_keeping_keeps(at_the_sink):
    """Each way that the page shows: a refund kept by hand, a tenant by a rule; the samplers are taken."""
    production, by_hand, policy, joined, collector = examples("how-to/keep-what-matters.md")
    names = run_example(production)
    for goal in ("refund 4711", "weather"):
        run_example(by_hand, **names, goal=goal)
    assert llmtrace.flush(10)
    assert [span.attributes["input.value"] for span in at_the_sink.spans] == ["refund 4711"]
    llmtrace.shutdown(timeout=5)
    run_example(policy, **names)
    for tenant in ("acme", "other"):
        with llmtrace.chain_span(tenant) as span:
            span.set_attribute("tenant", tenant)
    assert llmtrace.flush(10)
    assert "acme" in {span.name for span in at_the_sink.spans}
    llmtrace.shutdown(timeout=5)
    assert run_example(joined, **names)["provider"].sampler is not None
    run_example(collector.replace("http://balancer:4318", at_the_sink.url), **names)


async def heard(stream):
    """What an asynchronous stream says."""
    return "".join([words async for words in stream])


def test_the_ways_to_record_a_stream(at_the_sink, client):
    """The page about streams: a decorated generator, a stream that is handed on, context in threads."""
    decorated, wrapped, threads = examples("explanation/streams.md")
    client.server.reply = CHAT_STREAMS[0].reply
    llmtrace.init_tracing("streams")
    names = {"llmtrace": llmtrace, "client": client, "model": "gpt-4o", "messages": QUESTION}
    run_example(wrapped, **names)
    names["client"] = openai.AsyncOpenAI(base_url=client.base_url, api_key="k")
    assert "Paris" in asyncio.run(heard(run_example(decorated, **names)["tell"]("gpt-4o", QUESTION)))
    seen = []
    with ThreadPoolExecutor(1) as executor, llmtrace.agent_span("support"):
        run_example(
            threads,
            executor=executor,
            threading=threading,
            query="q",
            search=lambda _: seen.append(llmtrace.current_trace_id()),
            work=lambda: seen.append(llmtrace.current_trace_id()),
        )
        wait_until(lambda: len(seen) == 2, "both have run")
        here = llmtrace.current_trace_id()
    assert llmtrace.flush(10)
    assert seen == [here, here]
    streams = [span for span in at_the_sink.spans if span.attributes.get(keys.SPAN_KIND) == keys.KIND_LLM]
    assert [span.attributes[keys.STREAM_OUTCOME] for span in streams] == ["complete", "complete"]


def test_the_rules_of_the_page_about_redaction(at_the_sink):
    """Both kinds take out what the page says."""
    (code,) = examples("explanation/redaction.md")
    names = run_example(code)
    llmtrace.init_tracing("redacted", redaction=[names["employee"], names["upper"]])
    with llmtrace.chain_span("request", input="E-123456 asks about Blue Heron"):
        pass
    assert llmtrace.flush(10)
    (span,) = at_the_sink.spans
    assert span.attributes[keys.INPUT_VALUE] == "[redacted:employee_number] asks about [redacted:project]"


def test_several_backends(at_the_sink):
    """The page's settings are taken, and each backend gets what it wants."""
    (code,) = examples("how-to/several-backends.md")
    for host in ("http://localhost:6006", "https://api.honeycomb.io"):
        code = code.replace(host, at_the_sink.url)
    run_example(code)
    with llmtrace.llm_span("gpt-4o", QUESTION):
        pass
    assert llmtrace.flush(10)
    assert len(at_the_sink.spans) == 2
    assert {request.headers.get("x-honeycomb-team") for request in at_the_sink.requests} == {None, "YOUR-KEY"}


def test_a_tag(spans):
    """The page's retriever finds nothing, and the span says so."""
    (code,) = examples("how-to/tag-an-alert.md")
    run_example(code, llmtrace=llmtrace, query="q", index=SimpleNamespace(search=lambda _: []))
    assert spans[-1].attributes["llmtrace.alert.key"] == "retriever-empty"
