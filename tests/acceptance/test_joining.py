"""An application that has its own OpenTelemetry provider keeps everything that it had."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased

import llmtrace

pytest_plugins = ("core_fixtures",)


@dataclass
class App:
    provider: TracerProvider
    exporter: InMemorySpanExporter

    @property
    def exported(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.exported]


class Ids(RandomIdGenerator):
    def __init__(self) -> None:
        self.next = 1 << 100

    def generate_trace_id(self) -> int:
        self.next += 1
        return self.next


@pytest.fixture
def make_app(fresh_otel) -> Iterator[Any]:
    """An application that has set its provider."""
    made: list[App] = []

    def make(sampler: Sampler = ALWAYS_ON, **settings: Any) -> App:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(
            sampler=sampler,
            resource=Resource({"service.name": "the-app", "team": "a"}),
            shutdown_on_exit=False,
            **settings,
        )
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        trace.set_tracer_provider(provider)
        made.append(App(provider, exporter))
        return made[-1]

    yield make
    for app in made:
        app.provider.shutdown()


def test_the_applications_provider_stays_and_is_returned(make_app, start):
    """Neither the global provider nor its sampler is replaced, and its tracers are not patched."""
    app = make_app()
    sampler, tracer = app.provider.sampler, type(app.provider.get_tracer("x"))
    assert start() is app.provider
    assert trace.get_tracer_provider() is app.provider
    assert app.provider.sampler is sampler
    assert type(app.provider.get_tracer("y")) is tracer


def test_our_spans_and_theirs_reach_both(make_app, start, sink):
    """The application's exporter and our backend each receive every span once, in one tree."""
    app = make_app(id_generator=Ids())
    start()
    tracer = app.provider.get_tracer("app")
    with (
        tracer.start_as_current_span("theirs"),
        llmtrace.agent_span("ours"),
        tracer.start_as_current_span("deep"),
    ):
        pass
    assert llmtrace.flush(10)
    assert sorted(app.names) == sorted(sink.names) == ["deep", "ours", "theirs"]
    assert sink.span("ours").parent_id == sink.span("theirs").span_id
    assert sink.span("deep").parent_id == sink.span("ours").span_id
    assert {span.trace_id for span in sink.spans} == {format((1 << 100) + 1, "032x")}


def test_the_applications_resource_is_used(make_app, start, sink):
    """Our spans are the application's; the project travels in Phoenix's header instead."""
    make_app()
    start(service_name="ignored", project="demo")
    with llmtrace.chain_span("ours"):
        pass
    assert llmtrace.flush(10)
    resource = sink.span("ours").resource
    assert resource["service.name"] == "the-app"
    assert resource["team"] == "a"
    assert sink.requests[0].headers["x-project-name"] == "demo"


def test_their_sampler_gives_the_flag_and_we_record_all_of_ours(make_app, start, sink):
    """Its exporter gets exactly what its sampler keeps; our backend gets our spans whatever the flag."""
    app = make_app(ALWAYS_OFF)
    start()
    with llmtrace.agent_span("ours") as span:
        assert span.is_recording()
        assert not span.get_span_context().trace_flags.sampled
        with app.provider.get_tracer("app").start_as_current_span("theirs"), llmtrace.tool_span("deep"):
            pass
    assert llmtrace.flush(10)
    assert app.names == []
    assert sorted(sink.names) == ["ours", "tool.deep"]


def test_a_ratio_keeps_whole_traces_for_their_exporter(make_app, start, sink):
    """With a parent-based ratio the application's exporter gets whole traces, or nothing of them."""
    app = make_app(ParentBased(TraceIdRatioBased(0.5)))
    start()
    for _ in range(60):
        with llmtrace.agent_span("root"), llmtrace.chain_span("child"):
            pass
    assert llmtrace.flush(10)
    assert len(sink.spans) == 120
    traces: dict[int, int] = {}
    for span in app.exported:
        traces[span.context.trace_id] = traces.get(span.context.trace_id, 0) + 1
    assert 0 < len(traces) < 60
    assert set(traces.values()) == {2}


def test_what_cannot_be_seen_is_said_once_with_the_remedy(make_app, start, caplog):
    """With a sampler that may drop spans, one line says what to do; with none, nothing is said."""
    caplog.set_level(logging.INFO, "llmtrace")
    make_app(TraceIdRatioBased(0.5))
    start()
    start()
    (line,) = [entry.getMessage() for entry in caplog.records if entry.name == "llmtrace"]
    assert "init_tracing()" in line
    assert "TraceIdRatioBased" in line


def test_with_a_sampler_that_keeps_all_nothing_is_said(make_app, start, caplog):
    """There is nothing that could not be seen."""
    caplog.set_level(logging.INFO, "llmtrace")
    make_app()
    start()
    assert [entry for entry in caplog.records if entry.name == "llmtrace"] == []


def test_starting_again_does_not_double(make_app, start, sink, router):
    """After shutdown and a new init_tracing each span still arrives once, at the new place."""
    app = make_app()
    for url in (sink.url, router.url):
        start(endpoint=url)
        with llmtrace.chain_span("ours"), app.provider.get_tracer("app").start_as_current_span("theirs"):
            pass
        assert llmtrace.flush(10)
        assert llmtrace.shutdown(5)
    assert sorted(sink.names) == sorted(router.names) == ["ours", "theirs"]
    assert len(app.exported) == 4


def test_after_shutdown_the_application_goes_on(make_app, start, sink):
    """Its spans still reach its exporter; ours are no-ops."""
    app = make_app()
    start()
    assert llmtrace.shutdown(5)
    with llmtrace.chain_span("ours") as span, app.provider.get_tracer("app").start_as_current_span("theirs"):
        assert not span.is_recording()
    assert app.names == ["theirs"]
    assert not sink.requests


def test_their_spans_can_be_tagged(make_app, start, sink, router):
    """A tag on a span of the application reaches the router, slim."""
    app = make_app()
    start(alerts=router.url)
    with app.provider.get_tracer("app").start_as_current_span("theirs", attributes={"input.value": "c4n4ry"}):
        llmtrace.tag_alert("critical", key="k")
    assert llmtrace.flush(10)
    assert router.span("theirs").attributes["llmtrace.alert.key"] == "k"
    assert b"c4n4ry" not in router.requests[0].body


def test_a_dropped_span_of_ours_that_is_tagged_reaches_the_router(make_app, start, router):
    """Tagged spans go to the router whatever the application's sampler says."""
    make_app(ALWAYS_OFF)
    start(alerts=router.url)
    with llmtrace.chain_span("ours"):
        llmtrace.tag_alert("critical")
    assert llmtrace.flush(10)
    assert router.names == ["ours"]
