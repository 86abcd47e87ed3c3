"""Delivery to one backend: retries, refusals, bounds, and what is said of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.utils import is_instrumentation_enabled
from otlp_sink import HANGS, TAKEN, Answer, OtlpSink, Request, decoded, free_port, otlp_sink, partial_success
from records import record
from waiting import wait_until

from llmtrace import get_tracer
from llmtrace.exporters import circuit
from llmtrace.exporters import sender as senders
from llmtrace.exporters.delivery import Delivery, keeping
from llmtrace.exporters.delivery.stock import Stock
from llmtrace.exporters.destination import Destination
from llmtrace.exporters.encoded import EncodedSpan, request
from llmtrace.exporters.otlp import Encoder
from llmtrace.exporters.spool import Bounds, DiskSpool, shelf
from llmtrace.exporters.spool.parcel import Parcel
from llmtrace.exporters.tally import Tally
from llmtrace.testing import capture_spans

pytest_plugins = ("core_fixtures",)

BUSY = Answer(503)


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of the usual pauses between attempts, so that the tests take no longer than they must."""
    monkeypatch.setattr(circuit, "FIRST_PAUSE", 0.05)


@contextmanager
def delivery(url: str, timeout: float = 5.0, **arguments) -> Iterator[Delivery]:
    """A delivery that is closed after the test, with its thread."""
    running = Delivery(Destination("backend", f"{url}/v1/traces", timeout=timeout), **arguments)
    try:
        yield running
    finally:
        running.close(time.monotonic())
    for thread in running._threads:
        thread.join(10)
        assert not thread.is_alive()


def offer(running: Delivery, *names: str) -> None:
    """Offer a span of each name."""
    for number, name in enumerate(names):
        running.offer([encoded(name, number + 1)])


def encoded(name: str, span_id: int = 1, by_rule: bool = False, **attributes) -> EncodedSpan:
    """A span of that name."""
    made = Encoder().encode(record(attributes, name=name, span_id=span_id, by_rule=by_rule))
    assert made is not None
    return made


def soon(seconds: float = 10.0) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What llmtrace logged."""
    return [entry.getMessage() for entry in caplog.records if entry.name == "llmtrace"]


def names_of(came: Request) -> list[str]:
    """Of the spans in it."""
    return [span.name for span in came.spans]


def test_what_is_offered_arrives(sink, counts):
    """Spans go out over OTLP/HTTP as protobuf, each once, and are counted."""
    with delivery(sink.url) as running:
        offer(running, "a", "b", "c")
        assert running.flush(soon())
    assert sorted(sink.names) == ["a", "b", "c"]
    assert {request.path for request in sink.requests} == {"/v1/traces"}
    assert {request.headers["content-type"] for request in sink.requests} == {"application/x-protobuf"}
    assert counts() == {"accepted": 3, "delivered": 3}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 429, 401, 403])
def test_a_passing_trouble_costs_no_span(sink, counts, status):
    """After an answer that can pass, everything is delivered once."""
    sink.answers.extend([Answer(status)] * 2)
    with delivery(sink.url) as running:
        offer(running, "a", "b")
        sink.wait_for_spans(2)
        assert running.flush(soon())
    assert sorted(sink.names) == ["a", "b"]
    assert counts() == {"accepted": 2, "delivered": 2}


def test_retry_after_is_obeyed(sink):
    """Where the server names a time, the next attempt waits that long, and no less."""
    sink.answers.append(Answer(429, {"retry-after": "1.2"}))
    with delivery(sink.url) as running:
        offer(running, "a")
        first, second = sink.wait_for_requests(2)
        assert running.flush(soon())
    assert 1.1 < second.at - first.at < 10


def refusing(*names: str, status: int = 400):
    """A rule of the sink: a request with one of these spans is refused."""
    return lambda request: Answer(status if {span.name for span in request.spans} & set(names) else 200)


@pytest.mark.parametrize("status", [400, 422])
def test_a_span_that_is_refused_is_found_among_the_others(sink, counts, caplog, status):
    """One culprit in a hundred: the others arrive, in few requests; it is counted, and said once."""
    sink.rule = refusing("bad", status=status)
    names = [f"good-{number}" for number in range(99)]
    with delivery(sink.url) as running:
        offer(running, *names[:60], "bad", *names[60:])
        assert running.flush(soon())
        assert len(sink.requests) <= 2 * 7 + 3
        offer(running, "bad", "last")
        assert running.flush(soon())
    assert set(sink.names) == {*names, "last"}
    assert counts() == {"accepted": 102, "delivered": 100, "lost.rejected": 2}
    (line,) = lines(caplog)
    assert "400" in line


def test_a_backend_that_refuses_everything_costs_no_span(sink, counts):
    """A 400 to every request is no span's fault: they wait until the backend is sound again."""
    sink.then = Answer(400)
    with delivery(sink.url) as running:
        offer(running, *map(str, range(40)))
        sink.wait_for_requests(10)
        assert counts() == {"accepted": 40}
        sink.then = TAKEN
        sink.wait_for_spans(40)
        assert running.flush(soon())
    assert counts() == {"accepted": 40, "delivered": 40}


def test_a_single_span_that_is_refused_is_known_by_a_request_without_spans(sink, counts):
    """Where nothing was taken before, the backend is asked with an empty request whether it takes anything."""
    sink.rule = refusing("bad")
    with delivery(sink.url) as running:
        offer(running, "bad")
        assert running.flush(soon())
    assert counts() == {"accepted": 1, "lost.rejected": 1}


@pytest.mark.parametrize("status", [302, 307, 401, 402, 403, 404, 405, 410, 415])
def test_where_nobody_is_let_in_spans_wait(sink, counts, caplog, status):
    """An answer that is no span's fault, and does not pass by itself: one line, few requests, no loss."""
    sink.then = Answer(status, {"location": f"{sink.url}/elsewhere"})
    with delivery(sink.url) as running:
        offer(running, "a", "b")
        sink.wait_for_requests(2)
        (line,) = lines(caplog)
        assert str(status) in line
        sink.then = TAKEN
        sink.wait_for_spans(2)
        assert running.flush(soon())
    assert counts() == {"accepted": 2, "delivered": 2}
    assert {request.path for request in sink.requests} == {"/v1/traces"}


def test_what_is_too_large_together_goes_in_parts(sink, counts):
    """413 to 400 spans of 10 kB at a limit of 1 MB: all arrive, and later requests are smaller from the start."""
    sink.rule = lambda request: Answer(413 if len(request.body) > 1_000_000 else 200)
    with delivery(sink.url) as running:
        for number in range(400):
            running.offer([encoded(str(number), number + 1, text="x" * 10_000)])
        assert running.flush(soon(20))
        refused = len([request for request in sink.requests if not request.taken])
        for number in range(400, 600):
            running.offer([encoded(str(number), number + 1, text="x" * 10_000)])
        assert running.flush(soon(20))
    assert sorted(map(int, sink.names)) == list(range(600))
    assert counts() == {"accepted": 600, "delivered": 600}
    assert refused == len([request for request in sink.requests if not request.taken])


def test_a_span_that_is_too_large_is_cut_until_it_is_taken(sink, counts, caplog):
    """One of 3 MB among 100: the others arrive whole; it arrives with its longest value cut, and that said on it."""
    sink.rule = lambda request: Answer(413 if len(request.body) > 1_000_000 else 200)
    with delivery(sink.url) as running:
        offer(running, *map(str, range(1, 100)))
        running.offer([encoded("large", 100, prompt="y" * 3_000_000, short="stays")])
        assert running.flush(soon(20))
    large = sink.span("large").attributes
    assert len(sink.names) == len(set(sink.names)) == 100
    assert large["short"] == "stays"
    assert large["llmtrace.truncated.prompt"] == 3_000_000
    assert large["prompt"].endswith("characters]")
    assert counts() == {"accepted": 100, "delivered": 100, "cut": 1}
    assert len(lines(caplog)) == 1


def test_a_span_that_is_too_large_even_then_becomes_a_tombstone(sink, counts):
    """A backend that takes next to nothing gets the span's place in its trace."""
    sink.rule = lambda request: Answer(413 if len(request.body) > 300 else 200)
    with delivery(sink.url) as running:
        running.offer([encoded("large", 1, **{f"key-{number}": "z" * 100 for number in range(100)})])
        assert running.flush(soon(20))
    assert sink.span("large").attributes == {"llmtrace.tombstone": "too large"}
    assert counts()["delivered"] == counts()["tombstones"] == 1


def test_a_backend_that_takes_not_even_a_tombstone_is_counted(sink, counts):
    """It ends, and the loss is counted."""
    sink.rule = lambda request: Answer(413 if request.spans else 200)
    with delivery(sink.url) as running:
        offer(running, "a")
        assert running.flush(soon(20))
    assert counts()["lost.rejected"] == 1


def test_a_backend_that_finds_everything_too_large_costs_no_span(sink, counts):
    """A 413 even to a request without spans is no span's fault: they wait, whole, and so does the size of requests."""

    def until_asked_twice_without_spans(request: Request) -> Answer:
        refused.append(request)
        return TAKEN if sum(not each.spans for each in refused[:-1]) >= 2 else Answer(413)

    refused: list[Request] = []
    sink.rule = until_asked_twice_without_spans
    with delivery(sink.url) as running:
        for number in range(40):
            running.offer([encoded(str(number), number + 1, text="x" * 10_000)])
        assert running.flush(soon())
    assert {span.attributes["text"] for span in sink.spans} == {"x" * 10_000}
    assert counts() == {"accepted": 40, "delivered": 40}
    assert max(len(request.spans) for request in sink.requests if request.taken) == 40


def test_what_is_delivered_is_not_spooled_when_the_end_comes_in_the_middle_of_a_batch(sink, counts, tmp_path):
    """A batch in parts, of which the last hangs: at the end only that one waits, and each span is counted once."""
    sink.rule = lambda request: (
        Answer(413) if len(request.spans) > 1 else HANGS if names_of(request) == ["b"] else TAKEN
    )
    tally = Tally("backend", "test")
    with delivery(sink.url, spool=DiskSpool(tmp_path, tally, Bounds()), tally=tally) as running:
        offer(running, "a", "b")
        wait_until(lambda: any(names_of(request) == ["b"] for request in sink.requests), "the part that hangs")
        assert not running.close(soon(0.3))
        assert counts() == {"accepted": 2, "delivered": 1, "spooled": counts()["spooled"]}
        heir = DiskSpool(tmp_path, Tally("backend", "test"), Bounds())
        heir.look()
        (left,) = heir.load(10, 10_000)
        assert [span.name for span in decoded(request([left.span]))] == ["b"]
        heir.close()
        sink.release()


@pytest.mark.parametrize("place", [0, 30, 99])
def test_a_span_at_which_the_backend_fails_holds_up_no_other(sink, counts, caplog, tmp_path, monkeypatch, place):
    """A 500 to whatever one span is in: the others arrive; that one waits, and arrives when the backend can take it."""
    monkeypatch.setattr(shelf, "ASIDE_FOR", 0.4)
    monkeypatch.setattr(keeping, "LOOK_EVERY", 0.1)
    sink.rule = refusing("bad", status=500)
    tally = Tally("backend", "test")
    names = [f"good-{number}" for number in range(99)]
    with delivery(sink.url, spool=DiskSpool(tmp_path, tally, Bounds()), tally=tally) as running:
        offer(running, *names[:place], "bad", *names[place:])
        wait_until(lambda: set(sink.names) == set(names), "the others", 20)
        offer(running, "later")
        wait_until(lambda: "later" in sink.names, "a later one")
        asked = len(sink.requests)
        assert not running.flush(soon(0.3))
        assert len(sink.requests) - asked <= 8  # two for each attempt
        assert counts()["delivered"] == 100
        assert len(lines(caplog)) <= 3
        sink.rule = None
        assert running.flush(soon(15))
    assert counts()["delivered"] == counts()["accepted"] == 101


def test_a_span_at_which_the_backend_fails_is_left_to_the_next_process(sink, counts, tmp_path):
    """It is not lost with this one."""
    sink.rule = refusing("bad", status=500)
    tally = Tally("backend", "test")
    with delivery(sink.url, spool=DiskSpool(tmp_path, tally, Bounds()), tally=tally) as running:
        offer(running, "good")
        assert running.flush(soon())
        offer(running, "bad")
        assert not running.close(soon(1))
    heir = DiskSpool(tmp_path, Tally("backend", "test"), Bounds())
    heir.look()
    (left,) = heir.load(10, 10_000)
    assert [span.name for span in decoded(request([left.span]))] == ["bad"]
    heir.close()


def test_redirects_are_not_followed(sink, router):
    """Spans and headers go nowhere but to the address that was set."""
    sink.then = Answer(307, {"location": f"{router.url}/v1/traces"})
    with delivery(sink.url) as running:
        offer(running, "a")
        sink.wait_for_requests(1)
        sink.then = TAKEN
        assert running.flush(soon())
    assert not router.requests


def test_a_partial_success_is_counted_and_said(sink, counts, caplog):
    """What a 200 says was refused is a loss, not a delivery."""
    sink.answers.append(partial_success(2))
    with delivery(sink.url) as running:
        offer(running, "a", "b", "c")
        assert running.flush(soon())
    assert counts()["lost.rejected"] == 2
    assert counts()["delivered"] == 1
    assert any("2" in line for line in lines(caplog))


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b"\xff" * 100])
def test_a_success_with_any_body_is_a_success(sink, counts, body):
    """A backend that answers 200 with something else has taken the spans."""
    sink.answers.append(Answer(200, body=body))
    with delivery(sink.url) as running:
        offer(running, "a")
        assert running.flush(soon())
    assert counts() == {"accepted": 1, "delivered": 1}


def test_a_success_whose_body_breaks_off_is_a_success(sink, counts):
    """The head says that the spans were taken: who sends them again would do so for ever."""
    sink.answers.append(Answer(headers={"transfer-encoding": "chunked", "connection": "close"}, body=b"9\r\nx"))
    with delivery(sink.url) as running:
        offer(running, "a")
        assert running.flush(soon())
    assert len(sink.requests) == 1
    assert counts() == {"accepted": 1, "delivered": 1}


def test_a_backend_that_is_away_is_looked_up_again(sink, counts):
    """Behind a host's name there may be another server the next time: the connection to the old one is not kept."""
    sink.answers += [TAKEN, Answer(421), TAKEN]
    with delivery(sink.url) as running:
        for name in "ab":
            offer(running, name)
            assert running.flush(soon())
    assert sink.connections == 2
    assert counts() == {"accepted": 2, "delivered": 2}


def test_an_error_of_our_own_costs_a_pause_and_no_span(sink, counts, monkeypatch, lenient):
    """Where there is no memory for a request, say: it is tried again after the usual pauses, not at once."""
    tried: list[float] = []

    def fail(_: object) -> bytes:
        tried.append(time.monotonic())
        raise MemoryError

    with delivery(sink.url) as running:
        with monkeypatch.context() as patch:
            patch.setattr(senders, "request", fail)
            offer(running, "a")
            wait_until(lambda: len(tried) >= 4, "attempts")
        assert running.flush(soon())
    assert tried[3] - tried[0] > 0.2
    assert sink.names == ["a"]
    assert counts() == {"accepted": 1, "delivered": 1}


def test_a_backend_that_is_down_is_one_line(counts, caplog):
    """However many spans there are, an outage is one log line, and nothing is lost meanwhile."""
    caplog.set_level(logging.DEBUG)
    port = free_port()
    with delivery(f"http://127.0.0.1:{port}") as running:
        offer(running, *map(str, range(2_000)))
        assert not running.flush(soon(1.5))
        (line,) = lines(caplog)
        assert f"http://127.0.0.1:{port}" in line
        assert counts() == {"accepted": 2_000}
        with otlp_sink(port) as sink:
            sink.wait_for_spans(2_000)
            assert running.flush(soon())
            assert sorted(map(int, sink.names)) == list(range(2_000))
    assert counts() == {"accepted": 2_000, "delivered": 2_000}


def test_the_queue_is_bounded_and_the_oldest_are_lost(sink, counts):
    """While a backend hangs, at most so many spans wait; the newest are kept and the others counted."""
    sink.answers.append(HANGS)
    with delivery(sink.url, most_spans=10) as running:
        offer(running, "in flight")
        sink.wait_for_requests(1)
        offer(running, *map(str, range(100)))
        assert counts() == {"accepted": 101, "lost.queue_full": 90}
        sink.release()
        assert running.flush(soon())
    assert sorted(sink.names) == [*map(str, range(90, 100))]
    assert counts() == {"accepted": 101, "delivered": 10, "lost.queue_full": 91}


def test_closing_is_fast_where_nobody_listens(counts, caplog):
    """Refused connections are not waited for; what was not delivered is counted and said."""
    with delivery(f"http://127.0.0.1:{free_port()}") as running:
        offer(running, "a", "b", "c")
        began = time.monotonic()
        assert not running.close(soon(5))
        assert time.monotonic() - began < 4
    assert counts() == {"accepted": 3, "lost.shutdown": 3}
    assert "3 spans" in lines(caplog)[-1]


def test_closing_again_counts_and_says_nothing_twice(counts, caplog):
    """OpenTelemetry's shutdown and ours may both be called."""
    with delivery(f"http://127.0.0.1:{free_port()}") as running:
        offer(running, "a", "b", "c")
        running.close(soon(1))
        said = len(lines(caplog))
        running.close(soon(1))
    assert counts() == {"accepted": 3, "lost.shutdown": 3}
    assert len(lines(caplog)) == said


def test_closing_is_bounded_where_the_backend_hangs(sink, counts):
    """A backend that never answers costs the given time, and no more."""
    sink.then = HANGS
    with delivery(sink.url) as running:
        offer(running, "a", "b")
        sink.wait_for_requests(1)
        began = time.monotonic()
        assert not running.close(soon(0.5))
        assert 0.4 < time.monotonic() - began < 4
        assert counts() == {"accepted": 2, "lost.shutdown": 2}
        sink.release()


def test_a_busy_backend_is_tried_until_the_time_is_over(sink, counts):
    """At close a 503 is tried again within the budget, and then delivered."""
    sink.answers.append(BUSY)
    with delivery(sink.url) as running:
        offer(running, "a")
        assert running.close(soon(5))
    assert sink.names == ["a"]
    assert counts() == {"accepted": 1, "delivered": 1}


def test_what_comes_after_closing_is_counted_as_lost(sink, counts):
    """No span disappears without a count: it was delivered, or it is lost for a reason."""
    with delivery(sink.url) as running:
        offer(running, "a")
        assert running.close(soon())
        offer(running, "late")
    assert counts() == {"accepted": 2, "delivered": 1, "lost.shutdown": 1}


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:{}/v1/traces?token=s3cr3t", "http://user:s3cr3t@127.0.0.1:{}/v1/traces"]
)
def test_credentials_in_the_address_are_in_no_log_line(caplog, url):
    """Neither userinfo nor query of the address is ever logged, at any level."""
    caplog.set_level(logging.DEBUG)
    with otlp_sink() as sink:
        sink.answers.extend([BUSY, Answer(400), partial_success(1), HANGS])
        running = Delivery(Destination("test", url.format(sink.port), timeout=5))
        for name in ("a", "b"):
            offer(running, name)
            assert running.flush(soon())
        offer(running, "c")
        running.close(soon(0.2))
        sink.release()
        assert lines(caplog)
    assert "s3cr3t" not in caplog.text


def test_our_requests_leave_no_line_in_the_apps_log(sink, caplog):
    """At INFO nothing is logged while all is well, by whatever library."""
    caplog.set_level(logging.INFO)
    with delivery(sink.url) as running:
        offer(running, "a")
        assert running.flush(soon())
    assert [entry.getMessage() for entry in caplog.records] == []


def test_our_requests_are_no_spans_of_an_instrumented_client(sink, monkeypatch):
    """Instrumentation that asks OpenTelemetry whether it may record is told no in our thread, and only there."""
    send = HTTPConnection.request

    def instrumented(client: HTTPConnection, *args, **kwargs) -> None:
        if not is_instrumentation_enabled():
            send(client, *args, **kwargs)
            return
        with tracer.start_as_current_span("HTTP"):
            send(client, *args, **kwargs)

    monkeypatch.setattr(HTTPConnection, "request", instrumented)
    with capture_spans() as spans:
        tracer = get_tracer()
        with delivery(sink.url) as running:
            offer(running, "a")
            assert running.flush(soon())
        assert spans == []
        client = HTTPConnection("127.0.0.1", sink.port)
        client.request("POST", "/", b"")
        client.getresponse().read()
        client.close()
        assert [span.name for span in spans] == ["HTTP"]
    assert not trace.get_current_span().get_span_context().is_valid


def test_gzip_is_used_where_it_is_asked_for(sink):
    """With compression the body is gzip and says so."""
    running = Delivery(Destination("test", f"{sink.url}/v1/traces", compression="gzip"))
    running.offer([encoded("a", text="x" * 2_000)])
    assert running.close(soon())
    assert sink.requests[0].headers["content-encoding"] == "gzip"
    assert len(request_of("a")) > int(sink.requests[0].headers["content-length"])
    assert sink.names == ["a"]


def request_of(name: str) -> bytes:
    """A request with the span of the test above."""
    return request([encoded(name, text="x" * 2_000)])


@pytest.mark.parametrize(
    ("url", "compression", "compresses"),
    [
        ("http://127.0.0.1:6006/v1/traces", None, False),
        ("http://localhost:6006/v1/traces", None, False),
        ("http://[::1]:6006/v1/traces", None, False),
        ("https://otlp.example.org/v1/traces", None, True),
        ("https://otlp.example.org/v1/traces", "none", False),
        ("http://127.0.0.1:6006/v1/traces", "gzip", True),
    ],
)
def test_gzip_is_used_where_it_pays(url, compression, compresses):
    """Where nothing is set: over a network, and not on this machine, where it costs more than it saves."""
    assert Destination("test", url, compression=compression).compresses is compresses


def test_a_backend_that_takes_no_gzip_gets_none(sink, counts):
    """A 415 to a compressed request is answered with the plain one, and so are all after it."""
    sink.rule = lambda request: Answer(415 if "content-encoding" in request.headers else 200)
    running = Delivery(Destination("backend", f"{sink.url}/v1/traces", compression="gzip"))
    for name in ("a", "b"):
        running.offer([encoded(name, text="x" * 2_000)])
        assert running.flush(soon())
    assert running.close(soon())
    assert sorted(sink.names) == ["a", "b"]
    assert len(sink.requests) == 3
    assert counts() == {"accepted": 2, "delivered": 2}


def test_many_spans_go_in_several_requests(sink):
    """A backlog leaves in batches of a size that backends take."""
    sink.answers.append(HANGS)
    with delivery(sink.url) as running:
        offer(running, "in flight")
        sink.wait_for_requests(1)
        offer(running, *map(str, range(1_200)))
        sink.release()
        assert running.flush(soon())
    assert max(len(request.spans) for request in sink.requests) == 512
    assert len({span.name for request in sink.requests for span in request.spans}) == 1_201


def test_without_spans_there_is_no_thread_and_no_connection(sink):
    """A delivery that was never used costs nothing, and closes at once."""
    with delivery(sink.url) as running:
        assert running.flush(soon())
        assert running.close(soon())
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("llmtrace-backend")]
    assert sink.connections == 0


def test_the_timeout_of_a_request_is_obeyed(sink, counts):
    """A request that hangs is given up after the timeout and tried again."""
    sink.answers.append(HANGS)
    with delivery(sink.url, timeout=0.3) as running:
        offer(running, "a")
        sink.wait_for_requests(2)
        assert running.flush(soon())
        assert wait_until(lambda: counts().get("delivered"), "the span delivered") == 1
        sink.release()


def test_the_shown_address_has_no_credentials():
    """What log lines name is scheme, host, port and path."""
    destination = Destination("test", "https://user:pw@host:1/path?key=1", {"authorization": "pw"}, client_key="pw")
    assert destination.shown == "https://host:1/path"
    assert "pw" not in repr(destination).replace("user:pw@", "")


def test_no_secret_is_in_the_repr_of_a_destination():
    """Not in headers, not in the address."""
    assert "s3cr3t" not in repr(Destination("test", "https://u:s3cr3t@host?key=s3cr3t", {"authorization": "s3cr3t"}))


def test_a_sink_that_is_the_opposite_of_fast_does_not_slow_the_app(sink: OtlpSink):
    """Offering a span takes no time worth speaking of, whatever the backend does."""
    sink.then = HANGS
    with delivery(sink.url) as running:
        began = time.perf_counter()
        offer(running, *map(str, range(1_000)))
        assert time.perf_counter() - began < 3
        sink.release()


def test_where_no_thread_can_be_had_spans_wait_for_one(sink, counts, monkeypatch, lenient):
    """The app does not hear of it, and a later span finds the thread that there is then."""
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("llmtrace-"):
            raise RuntimeError("can't start new thread")
        start(thread)

    with delivery(sink.url) as running:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        offer(running, "a")
        monkeypatch.setattr(threading.Thread, "start", start)
        offer(running, "b")
        assert running.flush(soon())
    assert sorted(sink.names) == ["a", "b"]
    assert counts() == {"accepted": 2, "delivered": 2}


def test_what_is_adopted_while_the_sender_looks_elsewhere_is_sent(sink, tmp_path, monkeypatch):
    """An earlier process's spans are sent however the two threads take turns, without a span of this one."""
    tally = Tally("backend", "test")
    dead = DiskSpool(tmp_path, tally, Bounds())
    left = Parcel(encoded("left"), time.monotonic())
    assert dead.append([left])
    dead.forget([left])
    assert dead.close() == 1
    with delivery(sink.url, spool=DiskSpool(tmp_path, tally, Bounds()), tally=tally) as running:
        keeper, on_disk = running._keeping, type(running._stock).replayable

        def late(stock: Stock) -> int:
            seen = on_disk.fget(stock)
            if threading.current_thread().name == "llmtrace-backend" and keeper.looks_first:
                wait_until(lambda: not keeper.looks_first, "the first look")
            return seen

        monkeypatch.setattr(Stock, "replayable", property(late))
        running.start()
        sink.wait_for_spans(1, 4)
        assert running.flush(soon())
    assert sink.names == ["left"]
