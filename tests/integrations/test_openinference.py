"""`auto_instrument`, with the real instrumentors of OpenAI and Anthropic and their real SDKs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

import anthropic
import openai
import pytest
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from provider_payloads import ANTHROPIC_STREAMS, ANTHROPIC_WHOLE, CHAT_STREAMS, CHAT_WHOLE, Call
from provider_server import ProviderServer, provider_server

import llmtrace
from llmtrace.exceptions import ConfigurationError
from llmtrace.integrations import openinference

pytest_plugins = ["core_fixtures"]

MESSAGES = [{"role": "user", "content": "Capital of France?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    """A provider."""
    with provider_server() as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_left_on() -> Iterator[None]:
    """Each test begins and ends without instrumentation."""
    yield
    assert not OpenAIInstrumentor().is_instrumented_by_opentelemetry
    assert not AnthropicInstrumentor().is_instrumented_by_opentelemetry


def ask_openai(server: ProviderServer, call: Call = CHAT_WHOLE[0], **more: Any) -> Any:
    """One call with the real SDK."""
    server.reply = call.reply
    client = openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0)
    return client.chat.completions.create(model="gpt-4o-mini", messages=MESSAGES, stream=call.is_stream, **more)


def ask_anthropic(server: ProviderServer, call: Call = ANTHROPIC_WHOLE[0]) -> Any:
    """One call with the real SDK."""
    server.reply = call.reply
    client = anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0)
    return client.messages.create(model="claude-next-1", messages=MESSAGES, max_tokens=9, stream=call.is_stream)


def test_installed_instrumentors_record_calls_that_nobody_wrapped(start, sink, server, strict):
    """auto_instrument=True: a bare SDK call is a span with messages and tokens, below ours, with what using carries."""
    start(auto_instrument=True)
    with llmtrace.using(session_id="s-1"), llmtrace.agent_span("a"):
        ask_openai(server)
        ask_anthropic(server)
    assert llmtrace.flush(10)
    assert len(sink.wait_for_spans(3)) == 3
    agent = sink.span("a")
    for span in sink.spans:
        assert span.attributes["session.id"] == "s-1"
        if span is not agent:
            assert span.parent_id == agent.span_id
            assert span.attributes["openinference.span.kind"] == "LLM"
            assert span.attributes["llm.token_count.prompt"] > 0


def test_only_those_that_are_named_are_switched_on(start, server, sink, strict):
    """A list switches on what it names, and nothing else."""
    start(auto_instrument=["anthropic"])
    assert AnthropicInstrumentor().is_instrumented_by_opentelemetry
    assert not OpenAIInstrumentor().is_instrumented_by_opentelemetry


@pytest.mark.parametrize("ask", [ask_openai, ask_anthropic])
def test_a_call_inside_our_span_is_recorded_once(ask, start, sink, server, strict):
    """Our span around an instrumented SDK call is one span, not two, and its tokens are counted once."""
    start(auto_instrument=True)
    with llmtrace.llm_span("asked-for", MESSAGES) as span:
        span.record_output(ask(server))
    assert llmtrace.flush(10)
    (only,) = sink.wait_for_spans(1)
    assert len(sink.spans) == 1
    assert only.name == "llm.chat"
    assert only.attributes["output.value"] == "Paris."
    assert only.attributes["llm.provider"] if ask is ask_anthropic else True


@pytest.mark.parametrize(("ask", "calls"), [(ask_openai, CHAT_STREAMS), (ask_anthropic, ANTHROPIC_STREAMS)])
def test_a_stream_inside_our_span_is_recorded_once(ask, calls, start, sink, server, strict):
    """The same for a stream, read through ours."""
    start(auto_instrument=True)
    with llmtrace.llm_span("asked-for", MESSAGES) as span:
        for _ in span.record_stream(ask(server, calls[0])):
            pass
    assert llmtrace.flush(10)
    (only,) = sink.wait_for_spans(1)
    assert len(sink.spans) == 1
    assert only.attributes["output.value"].startswith("Paris")
    assert only.attributes["llmtrace.stream.outcome"] == "complete"


def test_what_nobody_recorded_comes_from_the_instrumentor(start, sink, server, strict):
    """Our span without record_output has the answer, the tokens and the model that the instrumentor saw."""
    start(auto_instrument=True)
    with llmtrace.llm_span("asked-for"):
        ask_openai(server)
    assert llmtrace.flush(10)
    (only,) = sink.wait_for_spans(1)
    found = only.attributes
    assert found["llm.output_messages.0.message.content"] == "Paris."
    assert found["llm.input_messages.0.message.content"] == "Capital of France?"
    assert found["llm.token_count.prompt"] == 2006
    assert found["llm.model_name"] == "gpt-4o-mini-2024-07-18"
    assert found["llm.request.model_name"] == "asked-for"


def test_what_we_recorded_stays_as_it_is(start, sink, server, strict):
    """Messages that were recorded by us are not mixed with another way of writing them."""
    start(auto_instrument=True)
    mine = [{"role": "user", "content": "mine"}, {"role": "user", "content": "two"}]
    with llmtrace.llm_span("m", mine) as span:
        ask_openai(server)
        span.record_output("my own words")
    assert llmtrace.flush(10)
    (only,) = sink.wait_for_spans(1)
    found = only.attributes
    assert found["llm.input_messages.1.message.content"] == "two"
    assert found["llm.output_messages.0.message.content"] == "my own words"
    assert found["output.value"] == "my own words"
    assert found["llm.model_name"] == "m"


def test_an_sdk_that_traces_itself_is_recorded_once(start, sink, server, strict):
    """Anthropic's SDK makes a span of its own once a provider is set: inside ours it is none, and lends its tokens."""
    start()
    with llmtrace.agent_span("a"):
        ask_anthropic(server)
    with llmtrace.llm_span("asked-for", MESSAGES):
        ask_anthropic(server)
    assert llmtrace.flush(10)
    spans = sink.wait_for_spans(3)
    assert sorted(span.name for span in spans) == ["a", "anthropic.messages.create", "llm.chat"]
    ours = sink.span("llm.chat").attributes
    assert (ours["llm.token_count.prompt"], ours["llm.token_count.completion"]) == (2012, 42)
    assert not [key for key in ours if key.startswith("gen_ai.")]


def test_an_error_of_the_call_is_ours_once(start, sink, server, strict):
    """A call that fails is one span with one exception."""
    start(auto_instrument=True)
    client = openai.OpenAI(api_key="k", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(openai.APIConnectionError), llmtrace.llm_span("m", MESSAGES):
        client.chat.completions.create(model="m", messages=MESSAGES)
    assert llmtrace.flush(10)
    (only,) = sink.wait_for_spans(1)
    assert len(only.events) == 1


def test_a_call_below_a_tool_of_ours_is_its_own_span(start, sink, server, strict):
    """Only a model call directly inside our model span is the same call."""
    start(auto_instrument=True)
    with llmtrace.llm_span("m", MESSAGES), llmtrace.tool_span("t"):
        ask_openai(server)
    assert llmtrace.flush(10)
    assert sorted(span.name for span in sink.wait_for_spans(3)) == ["ChatCompletion", "llm.chat", "tool.t"]


def test_in_an_applications_provider_only_ours_is_exported_by_us(fresh_otel, start, sink, server, strict):
    """Joined: the application's exporter gets both spans, as it would have; our backend gets the call once."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    start(auto_instrument=True)
    with llmtrace.llm_span("m", MESSAGES):
        ask_openai(server)
    assert llmtrace.flush(10)
    assert sorted(span.name for span in exporter.get_finished_spans()) == ["ChatCompletion", "llm.chat"]
    (only,) = sink.wait_for_spans(1)
    assert len(sink.spans) == 1
    assert only.attributes["llm.token_count.prompt"] == 2006
    provider.shutdown()


def test_shutdown_switches_off_what_was_switched_on(start, server, strict):
    """After shutdown the SDKs are as they were; one that the application switched on itself stays on."""
    OpenAIInstrumentor().instrument(skip_dep_check=True)
    start(auto_instrument=True)
    llmtrace.shutdown(1)
    assert OpenAIInstrumentor().is_instrumented_by_opentelemetry
    assert not AnthropicInstrumentor().is_instrumented_by_opentelemetry
    OpenAIInstrumentor().uninstrument()


def test_one_that_fails_does_not_stop_the_others(start, lenient, monkeypatch, caplog):
    """An instrumentor that raises is said once, without its text; the rest is switched on."""

    def installed() -> dict[str, EntryPoint]:
        broken = EntryPoint("broken", "no_such_module_anywhere:Instrumentor", openinference.GROUP)
        return {"broken": broken, **real()}

    real = openinference.installed
    monkeypatch.setattr(openinference, "installed", installed)
    with caplog.at_level(logging.WARNING, "llmtrace"):
        start(auto_instrument=True)
    assert OpenAIInstrumentor().is_instrumented_by_opentelemetry
    assert [record.getMessage() for record in caplog.records] == [
        "llmtrace: instrumentor broken failed with ModuleNotFoundError"
    ]
    llmtrace.shutdown(1)


@pytest.mark.parametrize(("name", "reason"), [("nobody", "has no entry point")])
def test_a_name_that_is_not_installed_is_an_error_at_start(name, reason, clean_env, fresh_otel):
    """The error names the setting, the name, and what is allowed."""
    with pytest.raises(ConfigurationError, match=rf"auto_instrument: '{name}' {reason}.*anthropic, .*openai"):
        llmtrace.init_tracing(auto_instrument=[name])
    assert not isinstance(trace.get_tracer_provider(), TracerProvider)


def test_a_sampled_off_process_is_not_instrumented(start, strict):
    """With sampling="off" nothing is switched on."""
    start(sampling="off", auto_instrument=True)
    assert not OpenAIInstrumentor().is_instrumented_by_opentelemetry
