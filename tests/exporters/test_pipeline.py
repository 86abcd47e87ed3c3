"""The hand-off from the app's threads to the worker."""

from __future__ import annotations

import errno
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from waiting import wait_until

from llmtrace._tracer import Tracer, TracerProvider
from llmtrace.exporters import pipeline as pipelines
from llmtrace.exporters.bell import Bell
from llmtrace.exporters.pipeline import Pipeline
from llmtrace.semconv import alert

pytest_plugins = ("core_fixtures",)


class Sink:
    def __init__(self) -> None:
        self.records = []
        self.closed = False

    def offer(self, records) -> None:
        self.records.extend(records)

    def flush(self, deadline: float) -> bool:  # noqa: ARG002 - a sink's signature
        return True

    def close(self, deadline: float) -> bool:  # noqa: ARG002 - a sink's signature
        self.closed = True
        return True

    def tick(self) -> float | None:
        return None

    def after_fork_in_child(self) -> None:
        self.records.clear()

    @property
    def names(self) -> list[str]:
        return [record.name for record in self.records]


class Alerts(Sink):
    def offer(self, record) -> None:
        self.records.append(record)


def ended(name: str):
    """A span that has ended, and was handed to nobody."""
    provider = TracerProvider()
    provider.arm(Pipeline(lambda: (), ()), Resource.get_empty(), ALWAYS_ON)
    provider._relay.target = SpanProcessor()
    span = Tracer(provider, InstrumentationScope("test")).start_span(name)
    span.end()
    return span


def soon(seconds: float = 5.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def test_steps_run_in_order_and_none_ends_a_span(strict):
    """Each step takes what the one before handed on; None means that the span goes nowhere."""

    def shout(record):
        return record.with_attributes({"name": record.name.upper()})

    def drop_b(record):
        return None if record.attributes["name"] == "B" else record

    sink = Sink()
    pipeline = Pipeline(lambda: (shout, drop_b), (sink,), gather=0.01)
    for name in "abc":
        pipeline.on_end(ended(name))
    assert pipeline.close(soon())
    assert [record.attributes["name"] for record in sink.records] == ["A", "C"]
    assert sink.closed


def test_a_step_that_fails_costs_one_span(lenient, counts):
    """The other spans go on, and the loss is counted."""

    def fail_b(record):
        if record.name == "b":
            raise RuntimeError
        return record

    sink = Sink()
    pipeline = Pipeline(lambda: (fail_b,), (sink,), gather=0.01)
    for name in "abc":
        pipeline.on_end(ended(name))
    assert pipeline.close(soon())
    assert sink.names == ["a", "c"]
    assert counts() == {"lost.internal_error": 1}


def test_many_spans_go_through_the_steps_side_by_side_in_their_order(lenient, counts):
    """A step that fails, or ends a span, in the middle of many costs that one; the sink is offered all others."""

    def fail_some(record):
        if record.name.endswith("7"):
            raise RuntimeError
        return None if record.name.endswith("3") else record

    sink = Sink()
    pipeline = Pipeline(lambda: (fail_some, lambda record: record), (sink,), gather=30)
    names = [str(number) for number in range(100)]
    for name in names:
        pipeline.on_end(ended(name))
    assert pipeline.close(soon())
    assert sink.names == [name for name in names if name[-1] not in "37"]
    assert counts() == {"lost.internal_error": 10}


def test_a_sink_that_fails_does_not_keep_a_span_from_the_others(lenient):
    """Each sink is offered each span, whatever another one does."""

    class Broken(Sink):
        def offer(self, records) -> None:  # noqa: ARG002 - a sink's signature
            raise RuntimeError

    sink = Sink()
    pipeline = Pipeline(lambda: (), (Broken(), sink), gather=0.01)
    pipeline.on_end(ended("a"))
    assert pipeline.close(soon())
    assert sink.names == ["a"]


def test_flush_waits_for_all_that_ended_before(strict):
    """After a flush that answers True, every span that ended before it has gone on."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (sink,), gather=30)
    spans = [ended(str(number)) for number in range(50)]
    for count, span in enumerate(spans, start=1):
        pipeline.on_end(span)
        assert pipeline.flush(soon())
        assert len(sink.records) == count
    pipeline.close(soon())


def test_flushes_of_many_threads_each_wait_for_their_own_spans(strict):
    """However flushes and ends interleave, a flush that answers True has handed on what its thread ended before."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (sink,), gather=30)

    def end_and_flush(thread: int) -> None:
        for number in range(50):
            span = ended(f"{thread}-{number}")
            pipeline.on_end(span)
            assert pipeline.flush(soon(20))
            assert span.name in set(sink.names)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(end_and_flush, range(4)))
    pipeline.close(soon())


def test_the_queue_is_bounded(lenient, counts, caplog):
    """Beyond the capacity spans are lost and counted, and that is said once."""
    sink, gate = Sink(), threading.Event()
    pipeline = Pipeline(lambda: (lambda record: gate.wait(10) and record,), (sink,), capacity=10, gather=0)
    first = ended("first")
    pipeline.on_end(first)
    wait_until(lambda: not pipeline._waiting, "the worker at work")
    span = ended("more")
    for _ in range(30):
        pipeline.on_end(span)
    assert counts() == {"lost.queue_full": 20}
    gate.set()
    assert pipeline.close(soon())
    assert len(sink.records) == 11
    assert len(caplog.records) == 1


def test_spans_of_many_threads_all_arrive(strict):
    """Nothing is lost or doubled between eight threads that end spans and a worker that takes them."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (sink,), gather=0)
    spans = [[ended(f"{thread}-{number}") for number in range(200)] for thread in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda own: [pipeline.on_end(span) for span in own], spans))
    assert pipeline.close(soon())
    assert sorted(sink.names) == sorted(span.name for own in spans for span in own)


def test_a_span_that_ends_after_closing_is_counted(counts):
    """It goes nowhere, and the count says so."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (sink,))
    assert pipeline.close(soon())
    pipeline.on_end(ended("late"))
    assert counts() == {"lost.shutdown": 1}
    assert sink.records == []


def test_what_the_worker_has_not_done_at_closing_is_still_handed_on(strict):
    """Whatever the worker gets done late, the sink is offered, so that it can count what it no longer sends."""
    gate = threading.Event()
    sink = Sink()
    pipeline = Pipeline(lambda: (lambda record: gate.wait(10) and record,), (sink,), gather=0)
    for name in "abc":
        pipeline.on_end(ended(name))
    assert not pipeline.close(soon(0.2))
    assert sink.closed
    gate.set()
    pipeline._worker.join(5)
    assert sorted(sink.names) == ["a", "b", "c"]


def test_closing_ends_the_worker(strict):
    """No thread is left."""
    pipeline = Pipeline(lambda: (), (Sink(),), gather=0.01)
    pipeline.on_end(ended("a"))
    assert pipeline.close(soon())
    pipeline._worker.join(5)
    assert not pipeline._worker.is_alive()


@pytest.mark.parametrize("timeout", [0, 30_000])
def test_opentelemetrys_flush_and_shutdown_work(strict, timeout):
    """force_flush and shutdown of the processor protocol do what their names say."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (sink,), gather=0.01)
    assert pipeline.force_flush(timeout)
    pipeline.shutdown()
    assert sink.closed


def test_hints_observers_and_alerts_see_every_span_before_the_verdict(strict):
    """What is stamped on a span is seen by the metrics, the router and the verdict, also where nothing is kept."""
    seen, alerts, sink = [], Alerts(), Sink()

    class Nothing:
        taken: ClassVar = []

        def take(self, span, record):  # noqa: ARG002 - a tail's signature
            self.taken.append(record.name)
            return ()

        def on_wake(self, wake):
            pass

        def started(self, span, parent_context=None):
            pass

        def may_doze(self):
            return True

        def tick(self):
            return ()

        close = tick

    def stamp(span):
        return span.whole()._replace(name=span.name.upper(), events=[Event(alert.EVENT_NAME, {})])

    pipeline = Pipeline(
        lambda: (),
        (sink,),
        hints=lambda: (stamp,),
        observers=lambda: (lambda record: seen.append(record.name),),
        alerts=alerts,
        tail=Nothing(),
        gather=0.01,
    )
    for name in "ab":
        pipeline.on_end(ended(name))
    assert pipeline.close(soon())
    assert seen == alerts.names == Nothing.taken == ["A", "B"]
    assert sink.names == []
    assert alerts.closed


def test_an_untagged_span_is_not_offered_to_the_router(strict):
    """Only what carries a tag event goes there."""
    alerts = Alerts()
    pipeline = Pipeline(lambda: (), (), alerts=alerts, gather=0.01)
    pipeline.on_end(ended("a"))
    assert pipeline.close(soon())
    assert alerts.names == []


def interrupted_at(step: int, work) -> bool:
    """Do the work, with a KeyboardInterrupt before the instruction of that number; False where it has fewer."""
    done = 0

    def trace(frame, event, arg):
        nonlocal done
        frame.f_trace_opcodes = True
        if event == "opcode":
            done += 1
            if done == step:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_interrupt_at_any_instruction_leaves_a_pipeline_that_ends(strict):
    """Wherever Ctrl-C strikes while a span is handed over, what comes later is worked on, and closing works."""
    sink = Sink()
    pipeline = Pipeline(lambda: (), (sink,), gather=0.0)
    pipeline.on_end(ended("first"))
    assert pipeline.flush(soon())
    span, step = ended("later"), 1

    def hand_over() -> None:
        pipeline.on_end(span)

    while interrupted_at(step, hand_over):
        step += 1
        assert pipeline.flush(soon(2)), f"after an interrupt at instruction {step}"
    assert step > 20
    assert pipeline.close(soon())
    assert sink.names.count("later") >= step // 2


def test_a_bell_is_an_event():
    """Rung, waited for, hushed, from several threads; rung twice is rung."""
    bell = Bell()
    assert not bell.rings
    assert not bell.wait(0.01)
    bell.ring()
    bell.ring()
    assert bell.rings
    assert bell.wait(0)
    assert bell.wait()
    bell.hush()
    bell.hush()
    assert not bell.wait(-1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: bell.ring(), range(100)))
    assert bell.wait(5)


def test_an_app_that_can_have_no_more_threads_does_not_hear_of_it(monkeypatch, lenient, counts, caplog):
    """Nothing is raised into it; spans wait until a thread can be had, or until somebody waits for them."""
    start, sink = threading.Thread.start, Sink()

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pipeline = Pipeline(lambda: (), (sink,), gather=0)
    for name in "ab":
        pipeline.on_end(ended(name))
    assert sink.names == []
    assert pipeline.flush(soon())
    pipeline.on_end(ended("c"))
    monkeypatch.setattr(threading.Thread, "start", start)
    pipeline.on_end(ended("d"))
    wait_until(lambda: sink.names == ["a", "b", "c", "d"], "the worker has begun")
    assert pipeline.close(soon())
    assert counts() == {}
    assert [entry.getMessage().count("thread") for entry in caplog.records] == [1]


def test_what_works_on_spans_is_loaded_again_where_it_could_not_be(monkeypatch, lenient, counts):
    """An app that has no file descriptor left cannot import: its spans wait until it can."""
    monkeypatch.setattr(pipelines, "_AFTER_A_FAILURE", 0.01)
    sink, tried = Sink(), []

    def steps() -> tuple[()]:
        tried.append(1)
        if len(tried) < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        return ()

    pipeline = Pipeline(steps, (sink,), gather=0)
    for name in "ab":
        pipeline.on_end(ended(name))
    wait_until(lambda: sink.names == ["a", "b"], "the spans")
    assert pipeline.close(soon())
    assert counts() == {}


def test_where_it_can_never_be_loaded_the_end_is_not_held_up(lenient, counts):
    """Nobody waits for what cannot come, and each span is counted."""

    def steps() -> tuple[()]:
        raise OSError(errno.EMFILE, "Too many open files")

    pipeline = Pipeline(steps, (Sink(),), gather=0)
    for name in "ab":
        pipeline.on_end(ended(name))
    began = time.monotonic()
    assert not pipeline.flush(soon(60))
    assert not pipeline.close(soon(60))
    pipeline.finish(60)
    assert time.monotonic() - began < 30
    assert counts() == {"lost.shutdown": 2}
