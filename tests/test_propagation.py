"""Whom we believe."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asgi_calls import call, hello, http_scope, sent_header
from fastapi import FastAPI
from opentelemetry import baggage, propagate, trace
from opentelemetry.context import Context
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.propagators.textmap import default_getter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.applications import Starlette
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware as StarletteTelemetry

import llmtrace
from llmtrace.exceptions import ConfigurationError
from llmtrace.middleware import TraceIdMiddleware
from llmtrace.propagation import AsgiGetter, TrustingPropagator, trust_rule

pytest_plugins = ("core_fixtures",)
pytestmark = pytest.mark.usefixtures("strict")

THEIRS = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
CALLER = [
    (b"traceparent", f"00-{THEIRS}-{SPAN}-01".encode()),
    (b"tracestate", b"ot=th:0,llmtrace=k:error"),
    (b"baggage", b"user.id=evil"),
]
STRANGER = ("203.0.113.9", 4711)


@pytest.fixture(autouse=True)
def propagators() -> Iterator[None]:
    """The application's own propagators are in use again after each test."""
    before = propagate.get_global_textmap()
    yield
    propagate.set_global_textmap(before)


def ids(messages) -> list[str]:
    """The X-Trace-Ids of an answer."""
    return [value.decode() for value in sent_header(messages, b"x-trace-id")]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.31.0.1", "192.168.7.7", "fd00::1"])
def test_loopback_and_private_peers_are_believed(host):
    """Also as IPv4 in IPv6's clothes."""
    rule = trust_rule(None)
    assert rule(http_scope(client=(host, 1)))
    if "." in host:
        assert rule(http_scope(client=(f"::ffff:{host}", 1)))


@pytest.mark.parametrize(
    "client",
    [STRANGER, ("172.32.0.1", 1), ("2001:db8::1", 1), ("::ffff:203.0.113.9", 1), ("testclient", 1), ("", 1), None, ()],
)
def test_anybody_else_is_not(client):
    """Neither a public address, nor a name, nor a peer that is not known."""
    assert not trust_rule(None)(http_scope(client=client))


@pytest.mark.parametrize("edge", [b"forwarded", b"x-forwarded-for", b"via", b"X-Forwarded-For"])
@pytest.mark.parametrize("trust", [None, ["127.0.0.0/8"]])
def test_who_comes_through_an_edge_is_a_stranger(edge, trust):
    """What the edge's header says is never believed, not even that it names one of ours."""
    assert not trust_rule(trust)(http_scope(headers=[(edge, b"127.0.0.1")]))


def test_rules_of_ones_own():
    """All, none, networks, a callable."""
    near, far = http_scope(), http_scope(client=STRANGER)
    assert [trust_rule("all")(scope) for scope in (near, far)] == [True, True]
    assert [trust_rule("none")(scope) for scope in (near, far)] == [False, False]
    assert [trust_rule(["203.0.113.0/24", "2001:db8::/32"])(scope) for scope in (near, far)] == [False, True]
    assert [trust_rule(lambda scope: scope["client"] == STRANGER)(scope) for scope in (near, far)] == [False, True]


@pytest.mark.parametrize("wrong", ["some", "10.0.0.0/8", [], ["10.0.0.0/99"], ["a.example.org"], [7], 7, b"all"])
def test_a_wrong_rule_is_an_exception_at_start(wrong):
    """One line that names the setting, its value and what is allowed."""
    with pytest.raises(ConfigurationError, match=r'^trust=.*; allowed: "all", "none", a list of networks') as raised:
        TraceIdMiddleware(hello, trust=wrong)
    assert "\n" not in str(raised.value)


def test_a_believed_caller_is_the_parent(spans):
    """The request goes on with its trace, and with its baggage."""
    seen = []

    async def app(scope, receive, send):
        seen.append(baggage.get_baggage("user.id"))
        await hello(scope, receive, send)

    assert ids(call(TraceIdMiddleware(app), CALLER)) == [THEIRS]
    assert seen == ["evil"]
    assert (spans[0].parent.span_id, spans[0].parent.is_remote) == (int(SPAN, 16), True)


def test_a_stranger_is_linked_and_nothing_more(spans):
    """A new trace, a link to his span; his trace state, his flag and his baggage are gone."""
    seen = []

    async def app(scope, receive, send):
        carrier = {}
        propagate.inject(carrier)
        seen.append((baggage.get_all(), carrier))
        await hello(scope, receive, send)

    (header,) = ids(call(TraceIdMiddleware(app), CALLER, client=STRANGER))
    (span,) = spans
    assert header == format(span.context.trace_id, "032x") != THEIRS
    assert span.parent is None
    (link,) = span.links
    assert (format(link.context.trace_id, "032x"), format(link.context.span_id, "016x")) == (THEIRS, SPAN)
    assert (link.context.trace_flags, dict(link.context.trace_state)) == (0, {})
    (found, carried) = seen[0]
    assert found == {}
    assert carried.keys() == {"traceparent"}
    assert header in carried["traceparent"]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"00",
        f"00-{THEIRS}-{SPAN}".encode(),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{THEIRS}-{'0' * 16}-01".encode(),
        f"00-{THEIRS.upper()}-{SPAN}-01".encode(),
        b"\xff" * 55,
    ],
)
@pytest.mark.parametrize("client", [STRANGER, ("127.0.0.1", 1)])
def test_what_is_no_traceparent_is_nothing(spans, value, client):
    """From whomever: a new trace, no link."""
    call(TraceIdMiddleware(hello), [(b"traceparent", value)], client=client)
    assert (spans[0].parent, list(spans[0].links)) == (None, [])


def test_a_rule_that_fails_believes_nobody(spans, lenient):
    """And the request is answered."""

    def broken(scope):
        raise KeyError

    assert ids(call(TraceIdMiddleware(hello, trust=broken), CALLER)) not in ([THEIRS], [])


def test_where_a_span_of_this_process_is_current_the_headers_do_not_count(spans):
    """Whoever began it has read them."""
    app = TraceIdMiddleware(hello)
    with llmtrace.chain_span("outer") as outer:
        (header,) = ids(call(app, CALLER))
    assert header == format(outer.get_span_context().trace_id, "032x")


# Where somebody else reads the headers.


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """What another vendor's provider has recorded."""
    return InMemorySpanExporter()


@pytest.fixture
def theirs(exporter) -> Iterator[TracerProvider]:
    """A provider that is not ours."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider
    provider.shutdown()


@pytest.mark.parametrize("peer", ["stranger", "friend"])
def test_opentelemetrys_middleware_outside_follows_the_rule(spans, exporter, theirs, peer):
    """It would take the client's id: before it stands a propagator that knows a request when it sees one."""
    app = OpenTelemetryMiddleware(TraceIdMiddleware(hello), tracer_provider=theirs, exclude_spans=["receive", "send"])
    (header,) = ids(call(app, CALLER, client=STRANGER if peer == "stranger" else ("127.0.0.1", 1)))
    (server,) = exporter.get_finished_spans()
    assert header == format(server.context.trace_id, "032x")
    if peer == "friend":
        assert header == THEIRS
    else:
        assert header != THEIRS
        assert server.parent is None
        assert [format(link.context.trace_id, "032x") for link in server.links] == [THEIRS]
    assert spans == []


def test_opentelemetrys_fastapi_instrumentation_follows_the_rule(spans, exporter, theirs):
    """Its middleware stands outside of every other."""
    app = Starlette()
    app.add_middleware(TraceIdMiddleware)
    FastAPIInstrumentor.instrument_app(app, tracer_provider=theirs, exclude_spans=["receive", "send"])
    try:
        (header,) = ids(call(app, CALLER, "/nowhere", client=STRANGER))
    finally:
        FastAPIInstrumentor.uninstrument_app(app)
    (server,) = exporter.get_finished_spans()
    assert header == format(server.context.trace_id, "032x") != THEIRS


@pytest.mark.parametrize("peer", ["stranger", "friend"])
@pytest.mark.parametrize("kind", ["fastapi", "starlette"])
def test_the_frameworks_own_telemetry_follows_the_rule(start, sink, kind, peer):
    """FastAPI's, which begins with `init_tracing`, and Starlette's: they hand on headers without saying whose."""
    start()
    if kind == "fastapi":
        app = FastAPI()
        app.add_middleware(TraceIdMiddleware)
    else:
        app = Starlette()
        app.add_middleware(TraceIdMiddleware)
        app.add_middleware(StarletteTelemetry)
    (header,) = ids(call(app, CALLER, "/nowhere", client=STRANGER if peer == "stranger" else ("127.0.0.1", 1)))
    assert llmtrace.flush(10)
    (server,) = (span for span in sink.spans if span.kind == 2)
    assert server.trace_id == header
    assert (header == THEIRS) is (peer == "friend")
    assert {span.trace_id for span in sink.spans} == {header}
    assert server.parent_id == (SPAN if peer == "friend" else "")
    assert [trace_id for trace_id, _ in server.links] == ([THEIRS] if peer == "stranger" else [])


def test_who_has_believed_a_stranger_all_the_same_is_not_joined(spans):
    """Where other code took the client's trace, the request begins one of its own."""

    async def gullible(scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        with llmtrace.get_tracer().start_as_current_span(
            "theirs", context=TraceContextTextMapPropagator().extract(headers), kind=trace.SpanKind.SERVER
        ):
            await app(scope, receive, send)

    app = TraceIdMiddleware(hello)
    (header,) = ids(call(gullible, CALLER, client=STRANGER))
    request, gullibles = spans
    assert header == format(request.context.trace_id, "032x") != THEIRS
    assert request.parent is None
    assert format(gullibles.context.trace_id, "032x") == THEIRS


def test_the_applications_own_propagators_work_inside(spans):
    """Set before or after ours, they are asked about callers who are believed, and write what goes out."""

    class Own(TrustingPropagator):
        def extract(self, carrier, context=None, getter=default_getter):
            return baggage.set_baggage("own", getter.get(carrier, "x-own"), context)

        @property
        def fields(self):
            return {"x-own"}

    seen = []

    async def app(scope, receive, send):
        seen.append(baggage.get_baggage("own"))
        await hello(scope, receive, send)

    class Plain:
        def __init__(self):
            self.own = Own(propagate.get_global_textmap())

        extract = property(lambda self: self.own.extract)
        inject = property(lambda self: self.own.inject)
        fields = property(lambda self: self.own.fields)

    middleware = TraceIdMiddleware(app)
    propagate.set_global_textmap(Plain())
    call(middleware, [(b"x-own", b"1")])
    call(middleware, [(b"x-own", b"2")], client=STRANGER)
    assert seen == [["1"], None]
    assert isinstance(propagate.get_global_textmap(), TrustingPropagator)


def test_any_other_carrier_is_read_as_ever(spans):
    """A message of a queue, the headers of another framework."""
    TraceIdMiddleware(hello, trust="none")
    carrier = {"traceparent": CALLER[0][1].decode()}
    assert trace.get_current_span(propagate.extract(carrier)).get_span_context().trace_id == int(THEIRS, 16)


def test_without_tracing_the_propagator_is_not_there():
    """Every request is read as the application's propagators read it."""
    TraceIdMiddleware(hello, trust="none")
    found = propagate.extract(http_scope(headers=CALLER), Context(), AsgiGetter())
    assert trace.get_current_span(found).get_span_context().trace_id == int(THEIRS, 16)
