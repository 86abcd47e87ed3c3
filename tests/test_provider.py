"""init_tracing, flush, shutdown: the whole service half, up to a real server."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from otlp_sink import HANGS, TAKEN, Answer, OtlpSink, free_port
from scripts import output_of, run_script
from waiting import wait_until

import llmtrace
from llmtrace.testing import capture_spans

pytest_plugins = ("core_fixtures",)


def one_span(name: str = "span") -> None:
    """Record a span."""
    with llmtrace.chain_span(name):
        pass


def test_what_is_recorded_arrives(start, sink):
    """After init_tracing spans reach the backend with their resource, and flush says that they did."""
    start(service_name="bot", service_version="1.2", environment="staging", project="demo")
    with llmtrace.agent_span("outer", input="Hi"), llmtrace.tool_span("inner"):
        pass
    assert llmtrace.flush(10)
    outer, inner = sink.span("outer"), sink.span("tool.inner")
    assert inner.parent_id == outer.span_id
    assert inner.trace_id == outer.trace_id
    assert outer.parent_id == ""
    assert outer.attributes["input.value"] == "Hi"
    assert json.loads(outer.attributes["metadata"]) == {
        "service.name": "bot",
        "service.version": "1.2",
        "deployment.environment.name": "staging",
    }
    resource = outer.resource
    assert resource["service.name"] == "bot"
    assert resource["service.version"] == "1.2"
    assert resource["deployment.environment.name"] == "staging"
    assert resource["openinference.project.name"] == "demo"
    assert resource["telemetry.sdk.language"] == "python"
    assert outer.scope == "llmtrace"


def test_headers_and_compression_go_out(start, sink, monkeypatch):
    """Settings of the transport are what the server sees."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("PHOENIX_API_KEY", "key")
    start(headers={"X-Mine": "1"})
    one_span()
    assert llmtrace.flush(10)
    headers = sink.requests[0].headers
    assert headers["x-mine"] == "1"
    assert headers["authorization"] == "Bearer key"
    assert headers["content-encoding"] == "gzip"
    assert headers["user-agent"].startswith("llmtrace")


def test_the_provider_is_opentelemetrys_global_one(start, sink):
    """init_tracing returns an SDK TracerProvider that any instrumentor takes, and sets it."""
    provider = start()
    assert isinstance(provider, sdk.TracerProvider)
    assert trace.get_tracer_provider() is provider
    with trace.get_tracer("third.party").start_as_current_span("theirs"), llmtrace.tool_span("ours"):
        pass
    assert llmtrace.flush(10)
    assert sink.span("tool.ours").parent_id == sink.span("theirs").span_id
    assert sink.span("theirs").scope == "third.party"


def test_processors_of_the_users_own_see_the_spans(start, sink):
    """add_span_processor works as in the SDK, beside our delivery."""
    seen: list[tuple[str, str]] = []

    class Processor(sdk.SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 - the SDK's signature
            seen.append(("start", span.name))

        def on_end(self, span: Any) -> None:
            seen.append(("end", span.name))

    start().add_span_processor(Processor())
    one_span("a")
    assert llmtrace.flush(10)
    assert seen == [("start", "a"), ("end", "a")]
    assert sink.names == ["a"]


def test_a_second_call_changes_nothing(start, caplog):
    """The same provider comes back; the same settings are no trouble, different ones are named in one warning."""
    provider = start(project="a")
    assert start(project="a") is provider
    assert not caplog.records
    assert start(project="b", sampling="off", headers={"x": "s3cr3t"}) is provider
    (entry,) = caplog.records
    assert entry.levelno == logging.WARNING
    assert all(name in entry.getMessage() for name in ("project", "sampling", "headers"))
    assert "endpoint" not in entry.getMessage()
    assert "s3cr3t" not in caplog.text


def test_a_second_call_keeps_the_first_settings(start, sink, router):
    """Spans go where the first call said."""
    start()
    start(endpoint=router.url)
    one_span()
    assert llmtrace.flush(10)
    assert len(sink.spans) == 1
    assert not router.requests


def test_after_shutdown_it_starts_afresh(start, sink, router):
    """The next init_tracing has its own settings; tracers that were handed out before work on."""
    provider = start()
    tracer = provider.get_tracer("kept")
    one_span("first")
    assert llmtrace.shutdown(10)
    one_span("between")
    tracer.start_span("between").end()
    assert start(endpoint=router.url, service_name="second") is provider
    one_span("second")
    tracer.start_span("kept").end()
    assert llmtrace.flush(10)
    assert sink.names == ["first"]
    assert sorted(router.names) == ["kept", "second"]
    assert router.span("second").resource["service.name"] == "second"


def test_a_span_open_over_shutdown_does_no_harm(start, sink, counts, caplog):
    """A block that is left after shutdown ends quietly; the span is lost, counted, and that is said."""
    start()
    with llmtrace.chain_span("open") as span:
        assert llmtrace.shutdown(5)
        span.set_attribute("a", 1)
    assert sink.spans == []
    assert llmtrace.current_trace_id() is None
    assert counts() == {"lost.shutdown": 1}
    assert "ended after it" in caplog.text


def test_nothing_is_printed(start, sink, capfd):
    """Not at start, not while spans go out, not at the end."""
    start()
    one_span()
    assert llmtrace.flush(10)
    assert llmtrace.shutdown(5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("state", ["down", "hanging"])
def test_start_takes_no_time_whatever_the_backend_does(start, sink, state):
    """init_tracing returns at once and opens no connection and no thread of its own accord."""
    sink.then = HANGS
    url = sink.url if state == "hanging" else f"http://127.0.0.1:{free_port()}"
    threads = threading.active_count()
    began = time.perf_counter()
    start(endpoint=url, alerts=url)
    assert time.perf_counter() - began < 1
    assert threading.active_count() == threads
    assert sink.connections == 0


def test_a_first_start_in_a_fresh_process_is_fast_too():
    """The first call, with everything imported, costs well under 100 ms and waits for nobody."""
    out = output_of(
        """
            import time
            import llmtrace, llmtrace._provider
            began, spent = time.perf_counter(), time.process_time()
            llmtrace.init_tracing("bot", endpoint="http://192.0.2.1:6006", alerts="http://192.0.2.1:4319")
            print(time.process_time() - spent, time.perf_counter() - began)
        """,
        timeout=15,
    )
    spent, took = map(float, out.split())
    assert spent < 0.1
    assert took < 1


def test_the_app_does_not_wait_for_a_backend_that_hangs(start, sink):
    """Recording a thousand spans takes no longer because nobody takes them."""
    sink.then = HANGS
    start()
    one_span("first")
    sink.wait_for_requests(1)
    began = time.perf_counter()
    for _ in range(1_000):
        one_span()
    assert time.perf_counter() - began < 4
    began = time.perf_counter()
    assert not llmtrace.shutdown(0.5)
    assert time.perf_counter() - began < 3
    sink.release()


def test_flush_is_bounded_and_honest(start, sink):
    """It answers False where time was up, and True once everything is there."""
    sink.answers.append(HANGS)
    start()
    one_span()
    began = time.perf_counter()
    assert not llmtrace.flush(0.3)
    assert time.perf_counter() - began < 3
    sink.answers.append(Answer(503))
    sink.release()
    assert llmtrace.flush(10)
    assert sink.wait_for_spans(1)


def test_off_records_nothing(start, sink):
    """sampling="off": blocks are no-ops, nothing is sent, and the provider is still a provider."""
    provider = start(sampling="off")
    with llmtrace.chain_span() as span:
        assert not span.is_recording()
        llmtrace.tag_alert("critical")
    provider.get_tracer("t").start_span("x").end()
    assert llmtrace.flush(5)
    assert llmtrace.shutdown(5)
    assert not sink.requests


@pytest.mark.parametrize("value", ["true", "TRUE", " true "])
def test_opentelemetrys_switch_turns_everything_off(start, sink, monkeypatch, value):
    """OTEL_SDK_DISABLED=true records nothing."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    provider = start()
    with llmtrace.chain_span() as span:
        assert not span.is_recording()
    provider.get_tracer("t").start_span("x").end()
    assert llmtrace.flush(5)
    assert not sink.requests


@pytest.mark.parametrize(
    ("settings", "env", "arrives"),
    [
        ({}, {}, False),
        ({"sampling": "development"}, {}, True),
        ({}, {"LLMTRACE_SAMPLING": "development"}, True),
    ],
)
def test_opentelemetrys_sampler_counts_only_where_nothing_else_is_said(
    start, sink, monkeypatch, settings, env, arrives
):
    """OTEL_TRACES_SAMPLER=always_off drops everything, unless a preset of ours is named."""
    for name, value in {"OTEL_TRACES_SAMPLER": "always_off", **env}.items():
        monkeypatch.setenv(name, value)
    start(**settings)
    one_span()
    assert llmtrace.flush(5)
    assert bool(sink.spans) is arrives


def test_resource_attributes_come_from_opentelemetrys_variable(start, sink, monkeypatch):
    """OTEL_RESOURCE_ATTRIBUTES fills what the arguments leave open, and the arguments win."""
    monkeypatch.setenv(
        "OTEL_RESOURCE_ATTRIBUTES", "service.name=env,service.version=9,deployment.environment.name=ci,team=a%20b"
    )
    start(service_version="1.2")
    one_span()
    assert llmtrace.flush(10)
    (span,) = sink.spans
    assert span.resource["service.name"] == "tested"
    assert span.resource["service.version"] == "1.2"
    assert span.resource["deployment.environment.name"] == "ci"
    assert span.resource["team"] == "a b"
    assert json.loads(span.attributes["metadata"])["deployment.environment.name"] == "ci"


def test_the_tutorial_style_comes_out_right(start, sink):
    """JSON strings for messages, documents and tools, on our spans and on third-party ones, leave flattened."""
    start()
    messages = [{"role": "user", "content": "Hi"}]
    with llmtrace.llm_span("m") as span:
        span.set_attribute("llm.input_messages", json.dumps(messages))
        span.set_attribute("llm.tools", json.dumps([{"name": "t"}]))
    with trace.get_tracer("third.party").start_as_current_span("theirs") as theirs:
        theirs.set_attribute("retrieval.documents", json.dumps([{"content": "a", "score": 0.5}]))
    with llmtrace.llm_span("m", name="broken") as span:
        span.set_attribute("llm.output_messages", "[{broken")
    assert llmtrace.flush(10)
    ours = sink.span("llm.chat").attributes
    assert ours["llm.input_messages.0.message.content"] == "Hi"
    assert json.loads(ours["llm.tools.0.tool.json_schema"]) == {"name": "t"}
    assert json.loads(ours["input.value"])["messages"][0]["content"] == "Hi"
    assert not {"llm.input_messages", "llm.tools"} & ours.keys()
    documents = sink.span("theirs").attributes
    assert documents["retrieval.documents.0.document.content"] == "a"
    assert documents["retrieval.documents.0.document.score"] == 0.5
    assert "retrieval.documents" not in documents
    assert sink.span("broken").attributes["llm.output_messages.0.message.content"] == "[{broken"


@pytest.mark.parametrize("name", ["na\ud800me", "na\0me", "x" * 10_000])
def test_an_odd_service_name_costs_no_span(start, sink, name):
    """Whatever the service is called, its spans arrive."""
    start(service_name=name)
    one_span()
    llmtrace.flush(5)
    (span,) = sink.spans
    assert span.resource["service.name"]
    assert json.loads(span.attributes["metadata"])["service.name"]


def test_a_wrong_setting_is_an_exception_at_start(start):
    """And nothing has begun: the next call with good settings works."""
    with pytest.raises(llmtrace.ConfigurationError, match="sampling='everything'"):
        start(sampling="everything")
    with capture_spans(), llmtrace.chain_span():
        pass
    with llmtrace.chain_span() as span:
        assert not span.is_recording()
    assert start()


def test_a_certificate_that_is_none_is_an_exception_at_start(start, monkeypatch, tmp_path):
    """A file that is no PEM is found out at init_tracing, not by a traceback from a thread."""
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(path))
    with pytest.raises(llmtrace.ConfigurationError, match="OTEL_EXPORTER_OTLP_CERTIFICATE"):
        start(endpoint="https://127.0.0.1:1")


def test_two_threads_that_start_at_once_start_once(start, sink):
    """One provider, one delivery."""
    gate = threading.Barrier(8)
    providers = []

    def work() -> None:
        gate.wait()
        providers.append(start())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, providers))) == 1
    one_span()
    assert llmtrace.flush(10)
    assert len(sink.spans) == 1


def test_shutdown_leaves_no_thread(start, sink):
    """Worker and delivery end."""
    start()
    one_span()
    assert llmtrace.shutdown(10)
    wait_until(
        lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("llmtrace-")], "threads gone"
    )


def test_opentelemetrys_own_calls_work_on_the_provider(start, sink):
    """force_flush and shutdown of the returned provider do what their names say, and ours may follow."""
    provider = start()
    one_span()
    assert provider.force_flush(10_000)
    assert len(sink.spans) == 1
    provider.shutdown()
    assert llmtrace.shutdown(5)


def test_every_span_is_accounted_for(start, sink, counts):
    """What was recorded was delivered, or is counted as lost with its reason."""
    sink.answers.extend([TAKEN, Answer(400), Answer(503)])
    start()
    for number in range(300):
        one_span(str(number))
        if number % 100 == 50:
            llmtrace.flush(5)
    llmtrace.shutdown(5)
    found = counts()
    lost = sum(number for name, number in found.items() if name.startswith("lost."))
    assert found["accepted"] == found["delivered"] + lost == 300
    assert found["delivered"] == len(sink.spans)


# In processes of their own.


def test_a_process_that_just_ends_delivers(sink):
    """Without flush or shutdown, what has ended is sent at exit."""
    output_of(
        f"""
            import llmtrace
            llmtrace.init_tracing("bot", endpoint="{sink.url}")
            for number in range(5):
                with llmtrace.chain_span(str(number)):
                    pass
            """,
        timeout=15,
    )
    assert sorted(sink.names) == list("01234")


def test_a_process_that_ends_with_an_exception_delivers(sink):
    """The traceback is the app's own, and the failed span arrives."""
    done = run_script(f"""
        import llmtrace
        llmtrace.init_tracing("bot", endpoint="{sink.url}")
        with llmtrace.chain_span("failed"):
            raise ValueError("the app's own")
    """)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("ValueError: the app's own")
    assert sink.span("failed").status == 2


def test_a_forked_child_sends_its_own_spans(sink):
    """Parent and child each deliver what they recorded, once; the parent's waiting spans are not doubled."""
    out = output_of(
        f"""
            import os
            import llmtrace
            llmtrace.init_tracing("bot", endpoint="{sink.url}")
            with llmtrace.chain_span("before"):
                pass
            with llmtrace.chain_span("open") as span:
                child = os.fork()
                if child == 0:
                    with llmtrace.chain_span("child"):
                        pass
                    print(llmtrace.flush(10), flush=True)
                    os._exit(0)
                os.waitpid(child, 0)
            with llmtrace.chain_span("after"):
                pass
            print(llmtrace.flush(10))
            """,
        timeout=15,
    )
    assert out.split() == ["True", "True"]
    assert sorted(sink.names) == ["after", "before", "child", "open"]
    assert sink.span("child").parent_id == sink.span("open").span_id
    assert len({span.span_id for span in sink.spans}) == 4


def test_forked_workers_have_ids_of_their_own(sink):
    """Eight children forked at once make no trace id twice."""
    output_of(
        f"""
            import os
            import llmtrace
            llmtrace.init_tracing("bot", endpoint="{sink.url}")
            children = []
            for _ in range(8):
                child = os.fork()
                if child == 0:
                    for _ in range(5):
                        with llmtrace.chain_span("child"):
                            pass
                    llmtrace.shutdown(10)
                    os._exit(0)
                children.append(child)
            for child in children:
                os.waitpid(child, 0)
            """,
        timeout=60,
    )
    assert len(sink.spans) == 40
    assert len({span.trace_id for span in sink.spans}) == 40


def test_multiprocessing_workers_deliver(sink):
    """A pool of forked workers sends what it recorded before its processes end."""
    output_of(
        f"""
            import multiprocessing
            import llmtrace

            def work(number):
                with llmtrace.chain_span(str(number)):
                    pass
                return llmtrace.flush(10)

            llmtrace.init_tracing("bot", endpoint="{sink.url}")
            with multiprocessing.get_context("fork").Pool(2) as pool:
                assert all(pool.map(work, range(6)))
            """,
        timeout=15,
    )
    assert sorted(sink.names) == list("012345")


def test_everything_is_a_no_op_without_init():
    """Each call of the surface works, returns something sensible, and records nothing."""
    out = output_of(
        """
            import asyncio, sys
            import llmtrace

            @llmtrace.tool
            def search(query): return [query]

            @llmtrace.agent(name="a")
            async def run(goal): return goal

            blocks = [
                llmtrace.agent_span("a", input="x", user_id="u", session_id="s"),
                llmtrace.chain_span("c"),
                llmtrace.llm_span("m", [{"role": "user", "content": "x"}], 0.5, tools=[{}], max_tokens=7),
                llmtrace.tool_span("t", {"a": 1}),
                llmtrace.retrieval_span("q", 5),
            ]
            for block in blocks:
                with block as span:
                    span.record_output(object())
                    span.record_documents([1])
                    span.set_attribute("a", 1)
                    span.add_event("e")
                    assert not span.is_recording()
                    llmtrace.record_llm_output(span, {})
                    llmtrace.record_retrieval_output(span, [])
                    llmtrace.tag_alert("critical", reason="r")
                    llmtrace.tag_alert("critical", span=span)
                    assert llmtrace.current_trace_id() is None
            with llmtrace.using(user_id="u", prompt=llmtrace.Prompt("t")):
                assert search("a") == ["a"]
                assert asyncio.run(run("g")) == "g"
            try:
                with llmtrace.chain_span():
                    raise KeyError("k")
            except KeyError:
                pass
            tracer = llmtrace.get_tracer()
            with tracer.start_as_current_span("x") as span:
                assert not span.is_recording()
            assert llmtrace.flush() is True
            assert llmtrace.shutdown() is True
            print("llmtrace.router" in sys.modules)
            """,
        timeout=15,
    )
    assert out == "False\n"


def test_flush_and_shutdown_without_init_answer_true():
    """Nothing is left to send."""
    assert llmtrace.flush() is True
    assert llmtrace.shutdown() is True
    assert llmtrace.shutdown() is True


def test_a_sink_that_is_not_used_sees_nothing(start, sink: OtlpSink):
    """Tracing without a span opens no connection, also at shutdown."""
    start()
    assert llmtrace.flush(5)
    assert llmtrace.shutdown(5)
    assert sink.connections == 0
