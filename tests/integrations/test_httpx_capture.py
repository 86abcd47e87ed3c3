"""Model calls seen on httpx and httpx2: raw clients, retries, errors, and what is left alone."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import httpx2
import mistralai.client
import openai
import pytest
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry import baggage, context
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.trace import StatusCode
from provider_payloads import ANTHROPIC_STREAMS, ANTHROPIC_WHOLE, ASK, CHAT_STREAMS, CHAT_WHOLE
from provider_server import Framing, ProviderServer, Reply, provider_server
from waiting import wait_until

import llmtrace
from llmtrace.exceptions import ConfigurationError
from llmtrace.integrations.httpx import instrument_httpx, uninstrument_httpx
from llmtrace.integrations.httpx.calls import retries
from llmtrace.integrations.httpx.endpoints import asked, endpoint_of
from llmtrace.integrations.httpx.failures import of_answer
from llmtrace.integrations.httpx.retries import Attempts, Retries

pytest_plugins = ["core_fixtures"]
pytestmark = pytest.mark.usefixtures("strict")

LIBRARIES = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
CHAT = {"model": "gpt-4o-mini", "messages": ASK, "temperature": 0.2}
MESSAGES = {"model": "claude-next-1", "messages": ASK[1:], "system": "Be brief.", "max_tokens": 9}
BUSY = Reply({"error": {"message": "Slow down, please.", "type": "rate_limit_exceeded"}}, status=429)
DOWN = Reply(
    {"error": {"message": "Out of order.", "type": "server_error"}}, status=500, headers=(("retry-after", "0"),)
)


@pytest.fixture(scope="module")
def running() -> Iterator[ProviderServer]:
    """One server for all."""
    with provider_server() as server:
        yield server


@pytest.fixture
def server(running) -> ProviderServer:
    """The server, without what earlier tests did."""
    running.reply = CHAT_WHOLE[0].reply
    running.refusals.clear()
    running.requests.clear()
    running.headers.clear()
    return running


@pytest.fixture(autouse=True)
def capture() -> Iterator[None]:
    """The capture is on."""
    instrument_httpx()
    yield
    uninstrument_httpx()


def words(span: Any) -> Any:
    """What the model said, as recorded."""
    return span.attributes.get("output.value")


# Raw clients.


@LIBRARIES
@pytest.mark.parametrize(
    ("path", "body", "call"),
    [("/v1/chat/completions", CHAT, CHAT_WHOLE[0]), ("/v1/messages", MESSAGES, ANTHROPIC_WHOLE[0])],
)
def test_a_post_is_an_llm_span(server, spans, library, path, body, call):
    """Model, messages, parameters, answer, tokens; below the span that is current; no change to the answer."""
    server.reply = call.reply
    with llmtrace.chain_span("around") as around:
        answer = library.post(server.url + path, json=body)
    assert answer.json() == call.reply.body
    span, _ = spans
    assert span.name == "llm.chat"
    assert span.parent.span_id == around.get_span_context().span_id
    assert span.attributes["openinference.span.kind"] == "LLM"
    assert span.attributes["llm.request.model_name"] == body["model"]
    assert span.attributes["llm.input_messages.0.message.content"] == "Be brief."
    assert span.attributes["llm.input_messages.1.message.content"] == "Capital of France?"
    assert words(span) is not None
    assert span.attributes["llm.token_count.prompt"] > 0
    assert span.attributes["server.address"] == "127.0.0.1"


STREAMED = [
    pytest.param("/v1/chat/completions", {**CHAT, "stream": True}, CHAT_STREAMS[0], id="openai"),
    pytest.param("/v1/messages", {**MESSAGES, "stream": True}, ANTHROPIC_STREAMS[0], id="anthropic"),
]


@LIBRARIES
@pytest.mark.parametrize(("path", "body", "call"), STREAMED)
@pytest.mark.parametrize("way", ["iter_lines", "iter_bytes", "iter_raw", "iter_text", "read"])
def test_a_stream_is_recorded_while_it_is_read(server, spans, library, path, body, call, way):
    """However it is read; the application gets the same bytes."""
    server.reply = call.reply
    with library.Client() as client, client.stream("POST", server.url + path, json=body) as answer:
        assert spans == []
        got = getattr(answer, way)()
        parts = [got] if way == "read" else list(got)
        answer.elapsed  # noqa: B018 - the library's own stream sets it
    if way in ("iter_raw", "iter_bytes", "read"):
        assert b"".join(parts) == call.reply.encoded()
    (span,) = spans
    assert words(span)
    assert span.attributes["llmtrace.stream.outcome"] == "complete"
    assert span.attributes["llmtrace.llm.time_to_first_token"] > 0


@LIBRARIES
@pytest.mark.parametrize(("path", "body", "call"), STREAMED)
def test_asynchronous_streams_too(server, spans, library, path, body, call):
    """And whole answers."""
    server.reply = call.reply

    async def run() -> None:
        async with library.AsyncClient() as client:
            async with client.stream("POST", server.url + path, json=body) as answer:
                async for _ in answer.aiter_lines():
                    pass
            await client.post(server.url + path, json=body)

    asyncio.run(run())
    streamed, posted = spans
    assert words(streamed) == words(posted) != ""
    assert streamed.attributes["llmtrace.stream.outcome"] == "complete"


@LIBRARIES
def test_a_stream_that_is_left_early_ends_with_what_came(server, spans, library):
    """Abandoned, with the part of the answer that had arrived."""
    parts = [
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "model": "m",
            "choices": [{"index": 0, "delta": {"content": f"w{n} "}}],
        }
        for n in range(200)
    ]
    server.reply = Reply(parts, Framing.OPENAI)
    with (
        library.Client() as client,
        client.stream("POST", server.url + "/v1/chat/completions", json={**CHAT, "stream": True}) as answer,
    ):
        for line in answer.iter_lines():
            if "w3" in line:
                break
    (span,) = spans
    assert span.attributes["llmtrace.stream.outcome"] in ("abandoned", "complete")  # one read may bring it whole
    assert words(span).startswith("w0 w1 w2 w3 ")
    assert span.status.is_unset


@LIBRARIES
def test_compressed_streams_are_read_too(server, spans, library):
    """The application's own decoder is left alone."""
    server.reply = Reply(CHAT_STREAMS[0].reply.body, Framing.OPENAI, headers=(("content-encoding", "gzip"),))
    with (
        library.Client() as client,
        client.stream("POST", server.url + "/v1/chat/completions", json={**CHAT, "stream": True}) as answer,
    ):
        assert answer.read() == Reply(CHAT_STREAMS[0].reply.body, Framing.OPENAI).encoded()
    assert words(spans[0])


VALUES = {"values": [1.0, 2.0]}
PART = {"content": {"parts": [{"text": "a"}]}}
USAGE = {"prompt_tokens": 2, "total_tokens": 2}
EMBEDDINGS = {
    "openai": (
        "/v1/embeddings",
        {"model": "e-3", "input": ["a", "b"]},
        {"data": [{"embedding": [1.0, 2.0]}, {"embedding": [3.0, 4.0]}], "model": "e-3", "usage": USAGE},
        ["a", "b"],
    ),
    "ollama": ("/api/embed", {"model": "e-3", "input": "a"}, {"model": "e-3", "embeddings": [[1.0, 2.0]]}, ["a"]),
    "gemini": ("/v1beta/models/e-3:embedContent", PART, {"embedding": VALUES}, ["a"]),
    "gemini-batch": (
        "/v1beta/models/e-3:batchEmbedContents",
        {"requests": [PART, {"content": {"parts": [{"text": "b"}]}}]},
        {"embeddings": [VALUES, VALUES]},
        ["a", "b"],
    ),
}


@pytest.mark.parametrize(("path", "body", "answer", "texts"), EMBEDDINGS.values(), ids=EMBEDDINGS)
def test_embeddings(server, spans, path, body, answer, texts):
    """Texts, vectors, model, tokens."""
    server.reply = Reply(answer)
    httpx2.post(server.url + path, json=body)
    (span,) = spans
    assert span.attributes["openinference.span.kind"] == "EMBEDDING"
    assert span.attributes["embedding.model_name"] == "e-3"
    assert [span.attributes[f"embedding.embeddings.{n}.embedding.text"] for n in range(len(texts))] == texts
    assert len(span.attributes["embedding.embeddings.0.embedding.vector"]) >= 1


def test_gemini_without_events_streams_a_list(server, spans):
    """As its REST API does where nothing else is asked for; the model stands in the path."""
    part = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Par"}]}, "index": 0}]}
    server.reply = Reply(
        [
            part,
            {
                **part,
                "candidates": [{"content": {"role": "model", "parts": [{"text": "is."}]}, "finishReason": "STOP"}],
            },
        ]
    )
    httpx.post(
        f"{server.url}/v1beta/models/gemini-9:streamGenerateContent",
        json={
            "contents": [{"role": "user", "parts": [{"text": "Capital?"}]}],
            "generationConfig": {"temperature": 0.2},
        },
    )
    (span,) = spans
    assert words(span) == "Paris."
    assert span.attributes["llm.model_name"] == "gemini-9"
    assert span.attributes["llm.invocation_parameters"] == '{"temperature":0.2}'


def test_ollamas_generate(server, spans):
    """Its system prompt and its prompt are two messages."""
    server.reply = Reply(
        {"model": "llama9", "response": "Paris.", "done": True, "prompt_eval_count": 3, "eval_count": 2}
    )
    httpx.post(
        f"{server.url}/api/generate",
        json={"model": "llama9", "system": "Be brief.", "prompt": "Capital?", "stream": False},
    )
    (span,) = spans
    assert span.attributes["llm.input_messages.0.message.role"] == "system"
    assert span.attributes["llm.input_messages.1.message.content"] == "Capital?"
    assert words(span) == "Paris."


# What is left alone.


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/chat/completions", None),
        ("POST", "/v1/messages", {"to": "bob", "text": "hi"}),
        ("POST", "/v1/messages/batches", MESSAGES),
        ("POST", "/v1/messages/count_tokens", MESSAGES),
        ("POST", "/api/chat", {"messages": ASK}),
        ("POST", "/v1/embeddings", {"vector": [1]}),
        ("POST", "/responses", {"input": "x"}),
        ("POST", "/v1/chat/completions", [CHAT]),
        ("POST", "/v1/chat/completions/stats", CHAT),
    ],
)
def test_what_is_no_model_call_is_none(method, path, body):
    """By path, method or body."""
    endpoint = endpoint_of(method, path)
    assert endpoint is None or asked(endpoint, "h", path, json.dumps(body).encode()) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b'"text"', b"null"])
def test_a_body_that_is_none_is_left_alone(spans, content):
    """The request goes out as it is."""
    path = "/v1/chat/completions"
    with httpx.Client(transport=httpx.MockTransport(lambda _: httpx.Response(200))) as client:
        assert client.post(f"http://h{path}", content=content).status_code == 200
    assert asked(endpoint_of("POST", path), "h", path, content) is None
    assert spans == []


def test_other_requests_pass_untouched(spans):
    """The very same objects, and no header of ours."""
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        return httpx.Response(200, stream=httpx.ByteStream(b"{}"))

    with llmtrace.chain_span("around"), httpx.Client(transport=httpx.MockTransport(answer)) as client:
        request = client.build_request("POST", "https://api.example.org/v1/orders", json={"model": "T"})
        headers = dict(request.headers)
        assert client.send(request, stream=True).stream.__class__.__name__ == "BoundSyncStream"
    assert dict(sent[0].headers) == headers
    assert [span.name for span in spans] == ["around"]


def test_a_body_that_is_streamed_up_is_left_alone(server, spans):
    """It cannot be looked at without taking it from the application."""

    def body() -> Iterator[bytes]:
        yield b'{"model": "m", "messages": []}'

    httpx.post(f"{server.url}/v1/chat/completions", content=body(), headers={"content-length": "30"})
    assert spans == []


def test_without_tracing_and_switched_off_nothing_is_looked_at(server):
    """No span, no header."""
    httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    assert "traceparent" not in server.headers[0]


def test_switched_off_it_is_off(server, spans):
    """And on again."""
    uninstrument_httpx()
    httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    assert spans == []
    instrument_httpx()
    instrument_httpx()
    httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    assert len(spans) == 1


# Errors and retries.


INVALID = "invalid_request_error"
ERRORS = [
    (401, {"error": {"message": "No such key.", "type": INVALID, "code": "bad_key"}}, INVALID, "No such key."),
    (400, {"type": "error", "error": {"type": INVALID, "message": "Too long."}}, INVALID, "Too long."),
    (404, {"error": "model 'x' not found"}, "404", "model 'x' not found"),
    (400, [{"error": {"code": 400, "message": "Bad.", "status": "WRONG"}}], "WRONG", "Bad."),
    (422, {"detail": "Unprocessable."}, "422", "Unprocessable."),
    (413, {}, "413", "Request Entity Too Large"),
]
"""Of OpenAI, Anthropic, Ollama, Google, FastAPI, and of nobody."""


@LIBRARIES
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize(("status", "body", "kind", "message"), ERRORS)
def test_an_error_has_the_providers_message(server, spans, library, is_stream, status, body, kind, message):
    """Status, type, message; the application sees the same answer."""
    server.reply = Reply(body, status=status)
    with library.Client() as client:
        request = client.build_request("POST", f"{server.url}/v1/chat/completions", json=CHAT)
        answer = client.send(request, stream=is_stream)
        answer.read()
        assert (answer.status_code, answer.json()) == (status, body)
    (span,) = spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, f"{kind}: {message}")
    assert span.attributes["http.response.status_code"] == status
    assert span.attributes["error.type"] == kind
    (event,) = span.events
    assert (event.name, event.attributes["exception.message"]) == ("exception", message)


def ask(server: ProviderServer, **settings: Any) -> Any:
    """A call by the real SDK, which retries."""
    with openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", **{"max_retries": 2, **settings}) as client:
        return client.chat.completions.create(model="gpt-4o-mini", messages=ASK)


@pytest.fixture
def impatient(monkeypatch) -> None:
    """The SDK does not wait between its attempts."""
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr(openai._base_client, "MAX_RETRY_DELAY", 0.001)


@pytest.mark.parametrize("around", [True, False], ids=["in a chain", "alone"])
def test_retries_are_events_on_one_span(server, spans, impatient, around):
    """Each attempt that failed, with its status and the provider's message; the call itself went well."""
    server.refusals = [BUSY, DOWN]
    if around:
        with llmtrace.chain_span("around"):
            ask(server)
    else:
        ask(server)
    span = spans[0]
    assert len(server.requests) == 3
    assert [found.name for found in spans] == (["llm.chat", "around"] if around else ["llm.chat"])
    assert [event.name for event in span.events] == ["llmtrace.retry", "llmtrace.retry"]
    facts = [dict(event.attributes) for event in span.events]
    assert [fact["http.response.status_code"] for fact in facts] == [429, 500]
    assert [fact["llmtrace.retry.attempt"] for fact in facts] == [1, 2]
    assert [fact["exception.message"] for fact in facts] == ["Slow down, please.", "Out of order."]
    assert span.events[0].timestamp <= span.events[1].timestamp <= span.end_time
    assert span.status.is_unset
    assert words(span)


def test_a_call_that_fails_to_its_last_attempt_is_one_error(server, spans, impatient):
    """When the span around it ends: with the events of the attempts before, and the time of the last."""
    server.refusals = [BUSY, BUSY, BUSY]
    with llmtrace.chain_span("around"):
        with pytest.raises(openai.RateLimitError):
            ask(server)
        assert spans == []
    span, around = spans
    assert [event.name for event in span.events] == ["llmtrace.retry", "llmtrace.retry", "exception"]
    assert span.status.description == "rate_limit_exceeded: Slow down, please."
    assert span.end_time <= around.end_time


def test_alone_it_ends_when_nobody_has_tried_again_for_a_while(server, spans, monkeypatch):
    """Some seconds; with the time at which it failed."""
    monkeypatch.setattr(retries, "_seconds", 0.2)
    server.refusals = [BUSY]
    with pytest.raises(openai.RateLimitError):
        ask(server, max_retries=0)
    assert spans == []
    wait_until(lambda: spans, "the span has ended")
    assert spans[0].status.status_code is StatusCode.ERROR
    assert spans[0].end_time - spans[0].start_time < 10**10


def test_shutdown_waits_for_nobody(start, sink, server, lenient):
    """What waits for another attempt is sent."""
    start(auto_instrument=["httpx"])
    server.refusals = [BUSY]
    with pytest.raises(openai.RateLimitError):
        ask(server, max_retries=0)
    assert llmtrace.shutdown(5)
    assert sink.span("llm.chat").status == 2


def test_what_waits_is_bounded(spans):
    """Beyond a thousand the oldest ends."""
    waiting = Retries(seconds=100)
    for number in range(1_500):
        span = llmtrace.get_tracer().start_span(f"call-{number}")
        waiting.wait((0, "u", number), Attempts(span, of_answer(500, "", None, None), 1, is_ours=True))
    assert [span.name for span in spans] == [f"call-{number}" for number in range(500)]
    waiting.settle()
    assert len(spans) == 1_500


@LIBRARIES
def test_a_server_that_is_not_there(spans, library):
    """The exception passes on unchanged; the span says which it was."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with llmtrace.chain_span("around"), pytest.raises(library.ConnectError):
        library.post(f"http://127.0.0.1:{port}/v1/chat/completions", json=CHAT)
    assert spans[0].attributes["error.type"] == "ConnectError"
    assert spans[0].status.status_code is StatusCode.ERROR


def test_a_cancelled_call_is_no_error(spans):
    """Its outcome says so."""

    async def never(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async def run() -> None:
        async with httpx.AsyncClient(transport=httpx.MockTransport(never)) as client:
            await asyncio.wait_for(client.post("http://h/v1/chat/completions", json=CHAT), 0.05)

    with pytest.raises(TimeoutError):
        asyncio.run(run())
    (span,) = spans
    assert span.status.is_unset
    assert span.attributes["llmtrace.stream.outcome"] == "cancelled"


@pytest.mark.parametrize(
    "last",
    [
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}},
        {"error": {"type": "overloaded_error", "message": "Overloaded"}},
    ],
)
def test_a_stream_that_says_that_it_failed_is_an_error(server, spans, last):
    """In the middle, after a part of the answer."""
    server.reply = Reply([*CHAT_STREAMS[0].reply.body[:2], last], Framing.EVENTS)
    with httpx.Client() as client, client.stream("POST", f"{server.url}/v1/chat/completions", json=CHAT) as answer:
        answer.read()
    (span,) = spans
    assert span.status.description == "overloaded_error: Overloaded"
    assert span.attributes["llmtrace.stream.outcome"] == "error"


# Beside others.


def test_inside_a_recorder_there_is_no_second_span(server, spans, impatient):
    """The attempts that failed are events on the one that is there."""
    server.refusals = [BUSY]
    with llmtrace.llm_span("gpt-4o-mini", ASK) as span:
        span.record_output(ask(server))
    (only,) = spans
    assert [event.name for event in only.events] == ["llmtrace.retry"]
    assert words(only)


def test_inside_an_openinference_instrumentor_there_is_no_second_span(server, spans):
    """Theirs is the call's."""
    OpenAIInstrumentor().instrument(tracer_provider=llmtrace.get_tracer()._source, skip_dep_check=True)
    try:
        ask(server)
    finally:
        OpenAIInstrumentor().uninstrument()
    assert [span.name for span in spans] == ["ChatCompletion"]


def test_with_opentelemetrys_client_instrumentation_there_is_a_parent_and_a_child(server, spans):
    """One LLM span, and below it one plain client span."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=llmtrace.get_tracer()._source)
    try:
        httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    finally:
        instrumentor.uninstrument()
    client, model = spans
    assert client.parent.span_id == model.context.span_id
    assert "openinference.span.kind" not in client.attributes
    assert model.attributes["openinference.span.kind"] == "LLM"


@pytest.fixture(params=["alone", "beside OpenTelemetry's"])
def injecting(request) -> Iterator[None]:
    """Whoever may write headers."""
    if request.param != "alone":
        HTTPXClientInstrumentor().instrument(tracer_provider=llmtrace.get_tracer()._source)
    yield
    if request.param != "alone":
        HTTPXClientInstrumentor().uninstrument()


@pytest.mark.parametrize("is_covered", [False, True])
@pytest.mark.parametrize(
    ("hosts", "told"), [(None, True), (["127.0.0.*"], True), (["gateway.example.org"], False), ([], False)]
)
def test_traceparent_goes_to_allowed_hosts_and_baggage_to_no_model(server, spans, injecting, hosts, told, is_covered):
    """Own networks by default, else the hosts that are named; also where OpenTelemetry's instrumentation injects."""
    instrument_httpx(propagate_to=hosts)
    token = context.attach(baggage.set_baggage("user.email", "a@example.org"))
    try:
        with llmtrace.llm_span("m", ASK) if is_covered else llmtrace.chain_span("around"):
            httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    finally:
        context.detach(token)
    (headers,) = server.headers
    assert ("traceparent" in headers) is told
    assert "baggage" not in headers
    if told:
        assert headers["traceparent"].split("-")[1] == format(spans[0].context.trace_id, "032x")


@pytest.mark.parametrize("host", ["api.openai.com", "8.8.8.8", "llm.example.org"])
def test_a_public_provider_is_told_nothing(spans, host):
    """By default: no header at all."""
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(dict(request.headers))
        return httpx.Response(200, json=CHAT_WHOLE[0].reply.body)

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        client.post(f"https://{host}/v1/chat/completions", json=CHAT)
    assert not {"traceparent", "tracestate", "baggage"} & sent[0].keys()
    assert spans[0].attributes.get("llm.provider") == ("openai" if host == "api.openai.com" else None)


@pytest.mark.parametrize("hosts", ["api.example.org", [7], b"x"])
def test_wrong_hosts_are_refused(hosts):
    """One line, with what is allowed."""
    with pytest.raises(ConfigurationError, match=r"^propagate_to=.*; allowed: a list of hosts"):
        instrument_httpx(propagate_to=hosts)


def test_named_hosts_count_for_every_request(server, spans):
    """Where they were named, OpenTelemetry's instrumentation tells nobody else either."""
    HTTPXClientInstrumentor().instrument(tracer_provider=llmtrace.get_tracer()._source)
    try:
        for hosts in (["127.0.0.1"], ["gateway.example.org"]):
            instrument_httpx(propagate_to=hosts)
            httpx.post(f"{server.url}/orders", json={})
    finally:
        HTTPXClientInstrumentor().uninstrument()
    assert ["traceparent" in headers for headers in server.headers] == [True, False]


def test_auto_instrument_switches_it_on_and_shutdown_off(start, sink, server):
    """By its name."""
    uninstrument_httpx()
    start(auto_instrument=["httpx"])
    httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    assert llmtrace.flush(10)
    assert sink.names == ["llm.chat"]
    llmtrace.shutdown()
    httpx.post(f"{server.url}/v1/chat/completions", json=CHAT)
    assert sink.names == ["llm.chat"]


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("sdk", ["anthropic", "mistral"])
def test_a_span_that_the_sdk_begins_by_itself_is_filled(start, sink, server, sdk, is_stream):
    """These two trace themselves once a provider is set, and say little: one LLM span, with everything on it."""
    start(auto_instrument=["httpx"])
    server.reply = {"anthropic": (ANTHROPIC_WHOLE, ANTHROPIC_STREAMS), "mistral": (CHAT_WHOLE, CHAT_STREAMS)}[sdk][
        is_stream
    ][0].reply
    if sdk == "anthropic":
        with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client:
            answer = client.messages.create(model="claude-next-1", messages=ASK[1:], max_tokens=9, stream=is_stream)
            list(answer)
    else:
        with mistralai.client.Mistral(api_key="k", server_url=server.url) as client:
            make = client.chat.stream if is_stream else client.chat.complete
            list(make(model="mistral-large", messages=ASK))
    assert llmtrace.flush(10)
    (span,) = [span for span in sink.spans if span.attributes.get("openinference.span.kind") == "LLM"]
    assert not [other for other in sink.spans if "gen_ai.request.model" in other.attributes and other is not span]
    assert span.attributes["output.value"]
    assert is_stream or span.attributes["llm.token_count.prompt"] > 0
