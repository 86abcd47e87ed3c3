"""The production preset in a real process: 1 % of the traffic, and every trace that somebody will ask for."""

from __future__ import annotations

import contextvars
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, TraceIdRatioBased
from scripts import output_of, run_script

import llmtrace
from llmtrace import SamplingPolicy
from llmtrace._stats import stats
from llmtrace.semconv import trace as keys

pytest_plugins = ("core_fixtures",)

NEVER = SamplingPolicy(ratio=0.0)


def one_trace(number: int) -> str | None:
    """A small agent run; what is special about it, or None."""
    special = {0: "error", 1: "alert", 2: "forced", 3: "cost"}.get(number % 100)
    with llmtrace.agent_span(f"agent-{special}-{number}") as agent:
        with llmtrace.llm_span("m", "question", attributes={keys.LLM_COST_TOTAL: 0.01}) as span:
            span.record_output("answer")
            if special == "cost":
                span.set_attribute(keys.LLM_COST_TOTAL, 5.0)
        try:
            with llmtrace.tool_span("tool", {}):
                if special == "error":
                    raise ValueError  # noqa: TRY301 - it has to leave the span's block
        except ValueError:
            pass
        if special == "alert":
            llmtrace.tag_alert("warning", key="k")
        if special == "forced":
            agent.keep()
    return special


def test_32_threads_lose_nothing_that_matters(start, sink):
    """Of 6,400 traces every error, tag, forced and costly one arrives whole, with its reason; of the rest 1 %."""
    start(sampling=SamplingPolicy(cost=1.0))
    with ThreadPoolExecutor(32) as pool:
        special = [found for found in pool.map(one_trace, range(6_400)) if found]
    assert llmtrace.flush(30)
    roots = [span for span in sink.spans if span.name.startswith("agent-")]
    by_rule = [span for span in roots if span.attributes[keys.SAMPLING_REASON] != "chance"]
    assert len(by_rule) == len(special) == 256
    assert all(span.name.split("-")[1] == span.attributes[keys.SAMPLING_REASON] for span in by_rule)
    assert len(sink.spans) == 3 * len(roots)
    assert len(roots) - len(by_rule) < 150
    counted = sum(span.attributes[keys.ADJUSTED_COUNT] for span in roots)
    assert abs(counted - 6_400) < 4 * (6_144 * 99) ** 0.5


def test_32_threads_in_one_trace(start, sink):
    """An error in one of 1,600 children in 32 threads keeps all of them, each once."""
    start(sampling=NEVER)
    tracer = llmtrace.get_tracer()
    with llmtrace.agent_span("root") as root:
        context = trace.set_span_in_context(root)

        def children(thread: int) -> None:
            for number in range(50):
                span = tracer.start_span(f"{thread}-{number}", context)
                if (thread, number) == (17, 25):
                    span.set_status(trace.StatusCode.ERROR)
                span.end()

        with ThreadPoolExecutor(32) as pool:
            list(pool.map(children, range(32)))
    assert llmtrace.flush(20)
    assert sorted(sink.names) == sorted(
        ["root", *(f"{thread}-{number}" for thread in range(32) for number in range(50))]
    )


def test_a_slow_trace_appears_while_it_is_open(start, sink):
    """The worker looks at open traces though nothing ends."""
    start(sampling=SamplingPolicy(ratio=0.0, slow=0.5))
    with llmtrace.agent_span("root"):
        with llmtrace.tool_span("done", {}):
            pass
        sink.wait_for_spans(1)
        assert sink.names == ["tool.done"]
    assert llmtrace.flush(10)
    assert sink.names == ["tool.done", "root"]


def test_a_tag_after_the_root_has_ended_is_kept(start, sink):
    """A task that was left behind tags its span: its trace comes back."""
    start(sampling=NEVER)
    go = threading.Event()

    def left_behind() -> None:
        with llmtrace.tool_span("late", {}):
            go.wait(10)
            llmtrace.tag_alert("error")

    with llmtrace.agent_span("root"):
        thread = threading.Thread(target=contextvars.copy_context().run, args=(left_behind,))
        thread.start()
    assert llmtrace.flush(10)
    go.set()
    thread.join()
    assert llmtrace.flush(10)
    assert sorted(sink.names) == ["root", "tool.late"]


def test_instrumentors_that_do_not_know_llmtrace_are_sampled_alike(start, sink):
    """Spans made with OpenTelemetry's API only: the error's trace is kept, the boring one is not."""
    start(sampling=NEVER)
    tracer = trace.get_tracer("theirs")
    for name in ("boring", "bad"):
        with tracer.start_as_current_span(name), tracer.start_as_current_span(f"{name}-child") as child:
            if name == "bad":
                child.record_exception(ValueError("x"))
    assert llmtrace.flush(10)
    assert sorted(sink.names) == ["bad", "bad-child"]


class Watcher(SpanProcessor):
    """A processor of the user's."""

    def __init__(self) -> None:
        self.started, self.ended = [], []

    def on_start(self, span, parent_context=None) -> None:  # noqa: ARG002 - a processor's signature
        self.started.append(span.name)

    def on_end(self, span) -> None:
        self.ended.append((span.name, dict(span.attributes), len(span.events), len(span.links)))


def test_other_processors_see_every_span_once_and_whole(start):
    """Also those that chance drops: with their attributes from the start, events and links. Batches skip them."""
    provider = start(sampling=NEVER)
    watcher, theirs = Watcher(), InMemorySpanExporter()
    provider.add_span_processor(watcher)
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    tracer = trace.get_tracer("theirs")
    other = tracer.start_span("other")
    link = trace.Link(other.get_span_context())
    with tracer.start_as_current_span("a", attributes={"k": 1}, links=[link]) as span:
        span.add_event("e")
    assert watcher.started == ["other", "a"]
    assert watcher.ended == [("a", {"k": 1}, 1, 1)]
    assert theirs.get_finished_spans() == ()


@pytest.mark.parametrize(("sampler", "share"), [(ALWAYS_OFF, 0), (TraceIdRatioBased(0.01), 0.01), (ALWAYS_ON, 1)])
@pytest.mark.parametrize("records_all", [False, True])
def test_in_an_applications_provider_our_rules_hold_whatever_its_sampler(
    start, sink, fresh_otel, sampler, share, records_all
):
    """Its exporter gets what its sampler says; our backend every error of ours, with `record_all` of its own too."""
    theirs = InMemorySpanExporter()
    provider = TracerProvider(sampler=llmtrace.record_all(sampler) if records_all else sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    trace.set_tracer_provider(provider)
    start(sampling=SamplingPolicy(ratio=0.0))
    for number in range(200):
        with llmtrace.agent_span(f"ours-{number}") as span:
            if number < 10:
                span.set_status(trace.StatusCode.ERROR)
        with provider.get_tracer("theirs").start_as_current_span(f"theirs-{number}") as span:
            if number < 10:
                span.set_status(trace.StatusCode.ERROR)
    assert llmtrace.flush(10)
    assert {name for name in sink.names if name.startswith("ours")} == {f"ours-{number}" for number in range(10)}
    found = {name for name in sink.names if name.startswith("theirs")}
    exported = {span.name for span in theirs.get_finished_spans()}
    assert len(exported) == 400 * share or 0 < share < 1
    all_bad = {f"theirs-{number}" for number in range(10)}
    assert found == (all_bad if records_all else all_bad & exported)


def test_in_an_applications_provider_the_ratio_is_ours(start, sink, fresh_otel):
    """A sampler that keeps everything does not make us keep everything; what we keep says what it stands for."""
    provider = TracerProvider(shutdown_on_exit=False)
    trace.set_tracer_provider(provider)
    start(sampling=SamplingPolicy(ratio=0.25))
    for _ in range(400):
        with provider.get_tracer("theirs").start_as_current_span("theirs"):
            pass
    assert llmtrace.flush(10)
    assert 50 < len(sink.spans) < 150
    assert {span.attributes[keys.ADJUSTED_COUNT] for span in sink.spans} == {4.0}


FORKS = """
    import os
    import llmtrace
    from opentelemetry.context import Context
    from opentelemetry.trace import StatusCode

    llmtrace.init_tracing("forks", sampling=llmtrace.SamplingPolicy(ratio=0.0))
    tracer = llmtrace.get_tracer()
    with llmtrace.agent_span("root"):
        with llmtrace.tool_span("before", {}):
            pass
        child = os.fork()
        if not child:
            with tracer.start_as_current_span("child's") as span:
                span.set_status(StatusCode.ERROR)
            tracer.start_span("child's boring trace", Context()).end()
            llmtrace.shutdown(5)
            os._exit(0)
        os.waitpid(child, 0)
        with tracer.start_as_current_span("parent's") as span:
            span.set_status(StatusCode.ERROR)
    tracer.start_span("parent's boring trace", Context()).end()
"""


def test_a_fork_in_an_open_trace_doubles_nothing_and_loses_nothing(sink):
    """The child begins with an empty buffer and keeps its own errors; the parent's part stays the parent's."""
    output_of(FORKS, env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url})
    assert sorted(sink.names) == ["child's", "parent's", "root", "tool.before"]


ENDS = """
    import os, signal, sys
    import llmtrace
    llmtrace.init_tracing("ends", sampling=llmtrace.SamplingPolicy(ratio=0.0))
    root = llmtrace.get_tracer().start_span("root")
    from opentelemetry.trace import set_span_in_context
    llmtrace.get_tracer().start_span("child", set_span_in_context(root)).end()
    llmtrace.get_tracer().start_span("boring").end()
    if "{how}" == "exit":
        sys.exit(0)
    if "{how}" == "term":
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        os.kill(os.getpid(), signal.SIGTERM)
    llmtrace.shutdown(5)
    root.end()
"""


@pytest.mark.parametrize("how", ["exit", "term", "shutdown"])
def test_what_is_open_when_the_process_ends_is_kept(sink, how):
    """At a normal end, at a SIGTERM that becomes one, at `shutdown`; what ends later goes nowhere, which is said."""
    done = run_script(ENDS.format(how=how), env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url})
    assert done.returncode == 0
    assert ("ended after it; such spans are lost" in done.stderr) == (how == "shutdown")
    assert done.stderr.count("\n") <= 1
    assert sink.names == ["child"]
    assert sink.spans[0].attributes[keys.SAMPLING_REASON] == "shutdown"


def test_a_full_hand_off_leaves_no_trace_open(start, sink, lenient):
    """What is lost there is counted, and its trace is still decided."""
    provider = start(sampling=SamplingPolicy(ratio=0.0, slow=0.5))
    pipeline = provider._relay.target
    pipeline._capacity = pipeline._few = 0
    with llmtrace.agent_span("lost") as span:
        span.set_status(trace.StatusCode.ERROR)
    pipeline._capacity = pipeline._few = 100
    wait = threading.Event()
    for _ in range(40):
        if not pipeline._tail._open.traces:
            break
        wait.wait(0.1)
    assert not pipeline._tail._open.traces
    assert stats.snapshot()["lost.queue_full"] == 1


@pytest.mark.parametrize("text", ["production", "production:ratio=0"])
def test_the_environment_chooses_the_preset(sink, text):
    """LLMTRACE_SAMPLING, with values where they are wanted."""
    code = """
        import json, llmtrace
        llmtrace.init_tracing("env")
        for name in ("boring", "bad"):
            with llmtrace.agent_span(name) as span:
                span.set_status(llmtrace._span.StatusCode.ERROR) if name == "bad" else None
        llmtrace.shutdown(5)
        from llmtrace._stats import stats
        print(json.dumps(stats.snapshot()))
    """
    printed = output_of(code, env={"PHOENIX_COLLECTOR_ENDPOINT": sink.url, "LLMTRACE_SAMPLING": text})
    assert json.loads(printed)["traces.kept.error"] == 1
    assert "bad" in sink.names
