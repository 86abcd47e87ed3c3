"""How much may wait for the worker, in bytes."""

from __future__ import annotations

import threading
import time
import tracemalloc
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from waiting import wait_until

from llmtrace._tracer import Tracer, TracerProvider
from llmtrace.exporters.pipeline import Pipeline
from llmtrace.exporters.scales import FEW, MOST_BYTES, Scales, Weighed, weight_of

pytest_plugins = ("core_fixtures",)


def ended(attributes):
    """A span with these, which was handed to nobody."""
    provider = TracerProvider()
    provider.arm(Pipeline(lambda: (), ()), Resource.get_empty(), ALWAYS_ON)
    provider._relay.target = SpanProcessor()
    span = Tracer(provider, InstrumentationScope("test")).start_span("s")
    span._held.update(attributes)
    span.end()
    return span


LIGHT = ended({"input.value": "x" * 500})
TEN_KB = ended({"input.value": "x" * 10_000})
HEAVY = ended({"input.value": "x" * 1_000_000})


@pytest.mark.parametrize(
    "values",
    [
        {"text": "x" * 100_000},
        {f"key-{number}": "x" * 1_000 for number in range(100)},
        {"nested": {"messages": [{"content": "x" * 1_000}] * 100}},
        {"many": ["x" * 100] * 1_000},
        {"bytes": b"x" * 100_000},
    ],
)
def test_what_a_span_holds_is_weighed(values):
    """In one value or in many, and inside of what still waits to become text."""
    assert 100_000 <= weight_of(ended(values)) <= 200_000


def test_a_value_that_cannot_be_looked_at_is_no_error():
    """Something of the application's may change while it is looked at."""

    class Changing(dict):
        def values(self):
            raise RuntimeError("dictionary changed size during iteration")

    span = ended({})
    span._held = Changing()
    assert weight_of(span) > 0


@given(st.lists(st.sampled_from([LIGHT, HEAVY]), max_size=100))
def test_what_was_taken_weighs_nothing_any_more(spans):
    """Whatever waited, in whatever order: in the end the scales stand at nothing."""
    scales, line = Scales(), deque()
    for span in spans:
        line.append(scales.put(span, len(line)))
    while line:
        item = line.popleft()
        if isinstance(item, Weighed):
            scales.take(item)
    assert scales._on == scales._off


@pytest.mark.parametrize(("span", "size"), [(LIGHT, 500), (TEN_KB, 10_000), (HEAVY, 1_000_000)])
def test_not_each_span_is_weighed_and_the_sum_is_about_right(span, size):
    """Light ones stand for others, heavy ones for themselves."""
    scales = Scales()
    weighed = sum(isinstance(scales.put(span, number), Weighed) for number in range(4_000))
    assert 4_000 * size <= scales._on * 1.05 <= 4_000 * (size + 3_000) * 1.1
    assert weighed == 4_000 if size > 100_000 else weighed < 400


@pytest.fixture
def held():
    """A pipeline whose worker is at work on its first span until the end of the test."""
    gate, seen = threading.Event(), []

    def step(record):
        gate.wait(30)
        seen.append(record)

    pipeline = Pipeline(lambda: (step,), (), gather=0)
    pipeline.on_end(LIGHT)
    wait_until(lambda: not pipeline._waiting, "the worker at work")
    yield pipeline, seen, gate
    gate.set()
    assert pipeline.close(time.monotonic() + 30)


def test_spans_of_a_megabyte_are_bounded_by_their_bytes(held, lenient, counts, caplog):
    """At full speed, the worker held up: what fits waits, the rest is counted by reason, and that is said once."""
    pipeline, seen, gate = held
    tracemalloc.start()
    try:
        for number in range(400):
            pipeline.on_end(ended({"input.value": f"{number:04}" * 250_000}))
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    waiting = len(pipeline._waiting)
    assert used <= MOST_BYTES + (FEW + 20) * 1_000_000
    assert MOST_BYTES // 1_000_000 <= waiting <= MOST_BYTES // 1_000_000 + FEW + 2
    assert counts() == {"lost.queue_full": 400 - waiting}
    assert len(caplog.records) == 1
    gate.set()
    wait_until(lambda: len(seen) == waiting + 1, "the worker through")
    pipeline.on_end(HEAVY)
    wait_until(lambda: len(seen) == waiting + 2, "there is room again")


def test_ten_thousand_spans_of_ten_kilobytes_find_room(held, counts):
    """The burst that is promised, even where the worker does nothing meanwhile."""
    pipeline, _, gate = held
    for _ in range(10_000):
        pipeline.on_end(TEN_KB)
    assert counts() == {}
    gate.set()


def test_what_was_weighed_and_is_left_at_the_end_is_counted(lenient, counts):
    """A worker that does not come to it within the time of the end: each span is a loss with its reason."""
    gate = threading.Event()
    pipeline = Pipeline(lambda: (lambda record: gate.wait(30) and record,), (), gather=0)
    pipeline.on_end(LIGHT)
    wait_until(lambda: not pipeline._waiting, "the worker at work")
    for _ in range(100):
        pipeline.on_end(LIGHT)
    assert not pipeline.close(0.0)
    pipeline.finish(0.0)
    assert counts() == {"lost.shutdown": 101}  # the one in its hands, too
    gate.set()
