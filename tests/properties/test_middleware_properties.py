"""Whatever headers a client writes: an answer, an id of ours, no exception, no growth."""

from __future__ import annotations

import gc
import re
import tracemalloc

import pytest
from asgi_calls import answer_to, http_scope, sent_header
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import baggage, propagate
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware

import llmtrace
from llmtrace import _guard
from llmtrace._recent import MOST, recent
from llmtrace.middleware import TraceIdMiddleware
from llmtrace.testing import capture_spans

THEIRS = "0af7651916cd43dd8448eb211c80319c"
OURS = ("127.0.0.1", "10.20.30.40", "::1", "fd12::3", "::ffff:192.168.1.1")
OTHERS = ("203.0.113.9", "2001:db8::7", "testclient", "", "not an address", "::ffff:8.8.8.8", "1.2.3.4%eth0")
EDGES = (b"forwarded", b"x-forwarded-for", b"via")

hexes = st.text("0123456789abcdef", max_size=40)
traceparents = st.one_of(
    st.just(f"00-{THEIRS}-b7ad6b7169203331-01"),
    st.builds("{}-{}-{}-{}".format, hexes, st.one_of(st.just(THEIRS), hexes), hexes, hexes),
    st.text(max_size=80),
).map(lambda text: text.encode("utf-8", "surrogatepass"))
tracestates = st.one_of(
    st.sampled_from([b"ot=th:0;rv:ffffffffffffff", b"llmtrace=k:error", b"a=1,b=2," * 40]), st.binary(max_size=300)
)
baggages = st.one_of(st.sampled_from([b"user.id=evil", b"a=%ff;b,=,;=", b"k=" + b"v" * 8192]), st.binary(max_size=300))
anything = st.binary(max_size=60)
headers = st.one_of(
    st.tuples(st.sampled_from([b"traceparent", b"Traceparent", b"TRACEPARENT"]), traceparents),
    st.tuples(st.just(b"tracestate"), tracestates),
    st.tuples(st.just(b"baggage"), baggages),
    st.tuples(st.just(b"x-trace-id"), st.just(THEIRS.encode())),
    st.tuples(st.sampled_from([*EDGES, b"X-Forwarded-For"]), st.one_of(st.just(b"127.0.0.1"), anything)),
    st.tuples(st.sampled_from([b"origin", b"user-agent", b"host", b"b3", b"sentry-trace"]), anything),
    st.tuples(st.binary(min_size=1, max_size=20), anything),
)
clients = st.one_of(
    st.none(), st.tuples(st.sampled_from([*OURS, *OTHERS]), st.integers(0, 65535)), st.tuples(st.text(), st.none())
)
scopes = st.builds(
    http_scope,
    path=st.text(max_size=20),
    headers=st.lists(headers, max_size=12),
    client=clients,
    method=st.one_of(st.sampled_from(["GET", "POST", "BREW"]), st.text(max_size=10)),
    scheme=st.text(max_size=6),
)


def finished(coroutine):
    """The result of a coroutine that waits for nobody: a loop for each example would cost more than the example."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError


def is_believed(scope) -> bool:
    """The documented rule, said another way."""
    names = {name.lower() for name, _ in scope["headers"]}
    return scope["client"] is not None and scope["client"][0] in OURS and names.isdisjoint(EDGES)


async def reporting(scope, receive, send):
    """An application that answers with what it would pass on, and with headers of its own."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    with llmtrace.chain_span("inside"):
        pass
    own = [(b"x-trace-id", b"own"), (b"access-control-expose-headers", b"x-own")]
    await send({"type": "http.response.start", "status": 200, "headers": own})
    await send({"type": "http.response.body", "body": repr((carrier, dict(baggage.get_all()))).encode()})


def check(scope) -> None:
    """One request, and everything that is promised of its answer."""
    before = dict(scope, headers=list(scope["headers"]))
    with capture_spans() as spans:
        sent = finished(answer_to(APP, scope))
    (header,) = sent_header(sent, b"x-trace-id")
    assert re.fullmatch(rb"[0-9a-f]{32}", header)
    assert int(header, 16)
    assert {format(span.context.trace_id, "032x").encode() for span in spans} == {header}
    assert len(sent_header(sent, b"access-control-expose-headers")) == 1
    if not is_believed(before):
        assert header != THEIRS.encode()
        assert spans[-1].parent is None
        assert THEIRS.encode() not in sent[1]["body"]
        assert b"evil" not in sent[1]["body"]


APP = TraceIdMiddleware(reporting)


@pytest.fixture(autouse=True)
def strictly():
    """An error of ours fails the test; the rule is the default one."""
    TraceIdMiddleware(reporting)
    _guard.set_strict(True)
    yield
    _guard.set_strict(False)


@given(scopes)
def test_any_headers_make_an_answer_with_an_id_of_ours(scope):
    """Never the client's, unless he is believed; one header, one list of exposed ones, no exception."""
    check(scope)


@pytest.mark.full
@settings(max_examples=10_000)
@given(scopes)
def test_ten_thousand_sets_of_headers(scope):
    """The same, at length."""
    check(scope)


@settings(max_examples=100)
@given(scopes)
def test_inside_opentelemetrys_middleware_too(scope):
    """Theirs reads the headers before ours: the id on the answer is not the client's there either."""
    if not is_believed(scope):
        app = OpenTelemetryMiddleware(APP, exclude_spans=["receive", "send"])
        scope["headers"] = [(plain(name), plain(value)) for name, value in scope["headers"]]
        scope["scheme"], scope["method"] = "http", "GET"
        with capture_spans() as spans:
            app.tracer = llmtrace.get_tracer()
            sent = finished(answer_to(app, scope))
        assert sent_header(sent, b"x-trace-id") != [THEIRS.encode()]
        assert THEIRS not in {format(span.context.trace_id, "032x") for span in spans}


def plain(value: bytes) -> bytes:
    """What OpenTelemetry's middleware decodes without a warning."""
    return bytes(char & 0x7F for char in value).replace(b"\\", b"/")


def growth(count: int) -> int:
    """Bytes that so many requests with 8 kB of baggage leave behind, after as many that warm everything up."""

    def many(first: int) -> None:
        for number in range(first, first + count):
            headers = [
                (b"traceparent", f"00-{number + 1:032x}-b7ad6b7169203331-01".encode()),
                (b"baggage", b",".join(b"key%d-%d=%s" % (number, n, b"v" * 80) for n in range(80))),
                (b"x-forwarded-for", str(number).encode()),
            ]
            client = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 1)
            finished(answer_to(APP, http_scope("/", headers if number % 2 else headers[:2], client)))

    for trace_id in range(1, MOST + 1):
        recent.add(trace_id << 64)  # the bounded memory of recent traces is full
    many(0)
    gc.collect()
    tracemalloc.start()
    try:
        many(0)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        many(count)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


def test_requests_leave_nothing_behind():
    """Neither peers nor ids nor baggage are kept: what is remembered of peers is bounded."""
    with capture_spans() as spans:
        llmtrace.get_tracer()._source.arm(Forgetting(), None, llmtrace.get_tracer()._source.sampler)
        assert growth(400) < 150_000
    assert spans == []


class Forgetting:
    """A processor that keeps no span."""

    def on_start(self, span, parent_context=None):
        """Forget it."""

    def _on_ending(self, span):
        """Forget it."""

    def on_end(self, span):
        """Forget it."""
