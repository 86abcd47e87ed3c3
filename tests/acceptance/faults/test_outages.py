"""A backend that is away, in each of the ways in which backends are: nothing is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from fault_service import Services, services_in
from otlp_sink import HANGS, TAKEN, Answer, free_port, otlp_sink
from waiting import wait_until

MADE = 800
RATE = 400.0
NAMES = {f"s{number}" for number in range(MADE)}
WORK = f"make('s', {MADE}, {RATE})\n"
PATIENT = WORK + "say(llmtrace.flush(30))"


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Services that share a spool."""
    with services_in(tmp_path) as running:
        yield running


def test_an_outage_costs_nothing_while_the_process_lives_on(services):
    """Down for a part of the time: every span arrives once the backend is back, from the same process."""
    port = free_port()
    with otlp_sink(port) as before:
        service = services.start(before.url, PATIENT)
        before.wait_for_spans(1)
    made = service.made
    service.wait_until_made(made + 200)
    with otlp_sink(port) as after:
        assert service.wait() == 0
        assert {*before.names, *after.names} == NAMES
    assert service.said == ["True"]
    assert services.spooled == []


def test_an_outage_that_outlasts_the_process_costs_nothing(services):
    """Down until after its end: the next process of the service sends everything, without a span of its own."""
    port = free_port()
    with otlp_sink(port) as before:
        service = services.start(before.url, WORK)
        before.wait_for_spans(1)
    assert service.wait() == 0
    assert len(service.log) <= 2
    with otlp_sink(port) as after:
        assert services.next(after.url).said == ["True"]
        assert {*before.names, *after.names} == NAMES
    assert services.spooled == []


def test_a_backend_that_was_never_there_costs_nothing(services):
    """Not even what a process made that met nobody from its start to its end."""
    port = free_port()
    services.run(f"http://127.0.0.1:{port}", WORK)
    with otlp_sink(port) as sink:
        services.next(sink.url)
        assert set(sink.names) == NAMES
        assert len(sink.names) == MADE


def http_date(seconds: float) -> str:
    """A Retry-After in its other form."""
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


FAULTS = {
    "hang": lambda: HANGS,
    "500": lambda: Answer(500),
    "503": lambda: Answer(503),
    "503 with Retry-After 1": lambda: Answer(503, {"retry-after": "1"}),
    "503 with a date": lambda: Answer(503, {"retry-after": http_date(2)}),
    "429": lambda: Answer(429),
    "429 with Retry-After 1": lambda: Answer(429, {"retry-after": "1"}),
    "408": lambda: Answer(408),
    "400 to everything": lambda: Answer(400),
    "401": lambda: Answer(401),
}


SHORT = ("hang", "503 with Retry-After 1", "400 to everything")


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=() if name in SHORT else pytest.mark.full) for name in FAULTS]
)
def test_a_fault_that_passes_costs_nothing(services, fault):
    """Whatever it answers for a while: everything arrives, and the log has a line or two."""
    with otlp_sink() as sink:
        service = services.start(sink.url, PATIENT)
        sink.wait_for_spans(1)
        sink.then = FAULTS[fault]()
        wait_until(lambda: any(not request.taken for request in sink.requests), "the fault")
        service.wait_until_made(service.made + 100)
        sink.then = TAKEN
        sink.release()
        assert service.wait() == 0
        assert set(sink.names) == NAMES
    assert service.said == ["True"]
    assert len(service.log) <= 3, service.log


def test_a_long_retry_after_is_respected_and_costs_nothing(services):
    """A backend that asks for half a minute is left alone until the process ends; the next process sends the rest."""
    with otlp_sink() as sink:
        service = services.start(sink.url, WORK)
        sink.wait_for_spans(1)
        sink.then = Answer(503, {"retry-after": "30"})
        service.wait_until_made(service.made + 100)
        sink.then = TAKEN
        (refused,) = [request for request in sink.requests if not request.taken]
        assert service.wait() == 0
        assert [request for request in sink.requests if request.at > refused.at] == []
        services.next(sink.url)
        assert set(sink.names) == NAMES


@pytest.mark.parametrize(("count", "size"), [(3_000, 500), pytest.param(1_500, 10_000, marks=pytest.mark.full)])
def test_a_burst_costs_nothing(services, count, size):
    """As fast as the process can make them, with the default bounds, and then its end at once."""
    with otlp_sink() as sink:
        services.run(sink.url, f"make('s', {count}, 0, {size})")
        services.next(sink.url)
        assert len(set(sink.names)) == count


def test_one_backend_that_hangs_does_not_touch_the_other(tmp_path, services):
    """Each has its own queue, threads and spool."""
    with otlp_sink() as sound, otlp_sink() as hanging:
        hanging.then = HANGS
        code = f"""
            llmtrace.shutdown()
            llmtrace.init_tracing("fault-service", endpoint="{hanging.url}", backends=[
                llmtrace.Backend("{sound.url}", headers={{"x-team": "blue"}}, name="sound")])
            make("s", 100)
        """
        service = services.start(hanging.url, code)
        sound.wait_for_spans(100, 20)
        assert service.wait() == 0
        assert {request.headers["x-team"] for request in sound.requests} == {"blue"}
        assert not any("x-team" in request.headers for request in hanging.requests)
        hanging.then = TAKEN
        hanging.release()
        services.next(hanging.url)
        assert len(set(hanging.names)) == 100


def test_an_outage_of_many_is_one_line_a_minute(services):
    """Two thousand spans into a closed port are one line, and one more at the end."""
    service = services.run(f"http://127.0.0.1:{free_port()}", "make('s', 2000)")
    assert len(service.log) == 2, service.log
    assert "they wait on disk" in service.log[0]
    assert "2000 spans" in service.log[1]


def test_no_thread_outlives_the_tests():
    """The sinks of these tests are gone."""
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("llmtrace-")]
