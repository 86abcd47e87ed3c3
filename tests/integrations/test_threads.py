"""A trace stays whole over threads, through OpenTelemetry's threading instrumentation, known to `auto_instrument`."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.instrumentation.threading import ThreadingInstrumentor

import llmtrace

pytest_plugins = ("core_fixtures",)


def work() -> None:
    """What runs elsewhere."""
    with llmtrace.tool_span("elsewhere"):
        pass


def by_thread() -> None:
    """A thread."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def by_timer() -> None:
    """A timer."""
    timer = threading.Timer(0.01, work)
    timer.start()
    timer.join()


def by_pool() -> None:
    """A pool: its threads serve one trace after the other."""
    POOL.submit(work).result()


def by_map() -> None:
    """The same by map."""
    list(POOL.map(lambda _: work(), range(1)))


def by_loop() -> None:
    """A loop's executor."""

    async def run() -> None:
        await asyncio.get_running_loop().run_in_executor(None, work)

    asyncio.run(run())


POOL = ThreadPoolExecutor(1)
WAYS = [by_thread, by_timer, by_pool, by_map, by_loop]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_what_a_thread_records_is_below_who_started_it(start, sink, way: Callable[[], None]):
    """Trace, parent, user and session; one trace after the other, also on the same thread of a pool."""
    start(auto_instrument=["threading"])
    for number in range(3):
        with llmtrace.agent_span(f"agent-{number}", user_id=f"u-{number}", session_id="s-1"):
            way()
    assert llmtrace.flush(10)
    agents = {span.trace_id: span for span in sink.spans if span.name.startswith("agent-")}
    elsewhere = [span for span in sink.spans if span.name == "tool.elsewhere"]
    assert len(agents) == len(elsewhere) == 3
    for span in elsewhere:
        agent = agents[span.trace_id]
        assert span.parent_id == agent.span_id
        assert span.attributes["user.id"] == agent.attributes["user.id"]


def test_it_is_off_after_shutdown(start, sink):
    """What `init_tracing` switched on, `shutdown` switches off."""
    start(auto_instrument=["threading"])
    assert ThreadingInstrumentor().is_instrumented_by_opentelemetry
    llmtrace.shutdown()
    assert not ThreadingInstrumentor().is_instrumented_by_opentelemetry
