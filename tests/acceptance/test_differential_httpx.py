"""Model calls seen on httpx2 alone, made by the vendors' real SDKs, against OpenInference's instrumentors for them.

Every call is made twice: once with the instrumentor on, once with nothing but the httpx capture. Differences are those
of the documented table, and what only the wire shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any

import mistralai.client
import ollama
import openai
import pytest
from google import genai
from openinference.instrumentation.google_genai import GoogleGenAIInstrumentor
from openinference.instrumentation.mistralai import MistralAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from provider_payloads import (
    ASK,
    CHAT_STREAMS,
    CHAT_WHOLE,
    WEATHER_SCHEMA,
    Call,
)
from provider_server import Framing, ProviderServer, Reply, provider_server
from test_differential_providers import (
    EVERY,
    KINDS,
    PROTECTED,
    PROVIDERS,
    comparable,
    differences,
    is_on,
    request_of,
    table,
    theirs,
)

import llmtrace
from llmtrace._record import SpanRecord
from llmtrace.integrations.httpx import instrument_httpx, uninstrument_httpx
from llmtrace.processors.json_strings import flatten_json_strings
from llmtrace.processors.llm_values import derive_llm_values
from llmtrace.testing import capture_spans

pytest_plugins = ["core_fixtures"]
pytestmark = pytest.mark.usefixtures("strict")

WIRE = {
    ("server.address", KINDS[1]): "the host is seen",
    ("llm.invocation_parameters", KINDS[0]): "of embeddings and Gemini: nothing was given",
    ("metadata", KINDS[1]): "",
}


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    """One server for all calls."""
    with provider_server() as running:
        yield running


@pytest.fixture(autouse=True)
def capture() -> Iterator[None]:
    """The capture is on."""
    instrument_httpx()
    yield
    uninstrument_httpx()


def seen(make: Callable[[], Any]) -> dict[str, Any]:
    """What the capture records of one call, as it leaves the worker."""
    with capture_spans() as spans:
        make()
    (span,) = spans
    assert span.status.is_unset
    return dict(derive_llm_values(flatten_json_strings(SpanRecord.of(span))).attributes)


def instrumented(instrumentor: Any, make: Callable[[], Any]) -> dict[str, Any]:
    """What an instrumentor of OpenInference's records of it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    try:
        make()
    finally:
        instrumentor.uninstrument()
    (span,) = exporter.get_finished_spans()
    return dict(span.attributes or {})


def unexcused(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """The differences that stand neither in the table nor in `WIRE`, with both values."""
    rows = table()
    left, right = comparable(left), comparable(right)
    found = differences(left, right)
    return {
        key: (kind, left.get(key), right.get(key))
        for key, kind in found.items()
        if not is_on(rows, key, kind) and (key, kind) not in WIRE
    }


def lost(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    """What OpenInference has of messages, counts, model and reason, and the capture has not, or otherwise."""
    left, right = comparable(left), comparable(right)
    return {
        key: (kind, left.get(key), right.get(key))
        for key, kind in differences(left, right).items()
        if kind != KINDS[1] and any(fnmatchcase(key, pattern) for pattern in PROTECTED)
    }


@pytest.mark.parametrize(("name", "call"), EVERY[::7])
def test_what_openai_and_anthropic_sdks_do_is_seen_as_openinference_sees_it(server, name, call):
    """Chat, completions, responses and messages, whole and streamed: the same attributes, seen on the wire alone."""
    check(server, name, call)


@pytest.mark.full
@pytest.mark.parametrize(("name", "call"), EVERY)
def test_every_call_is_seen_as_openinference_sees_it(server, name, call):
    """The same with every call of the recorders' tests."""
    check(server, name, call)


def check(server: ProviderServer, name: str, call: Call) -> None:
    """Make a call both ways, and compare."""
    provider = PROVIDERS[name]
    server.reply = call.reply

    def make() -> None:
        with provider.client(server) as client:
            answer = provider.method(client)(**request_of(call))
            if call.is_stream:
                for _ in answer:
                    pass

    left, right = theirs(provider, call, server), seen(make)
    assert unexcused(left, right) == {}
    assert lost(left, right) == {}


# Google.

GEMINI_USAGE = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 20, "thoughtsTokenCount": 6}
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Paris."}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": GEMINI_USAGE,
    "modelVersion": "gemini-9-flash-001",
    "responseId": "r-1",
}
GEMINI_CALLED = {
    **GEMINI,
    "candidates": [
        {
            "content": {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {"city": "Paris"}}}]},
            "finishReason": "STOP",
        }
    ],
}


def gemini(server: ProviderServer) -> Any:
    """The real client of the SDK."""
    return genai.Client(api_key="k", http_options=genai.types.HttpOptions(base_url=server.url))


def gemini_config(*, tools: bool = False) -> Any:
    """Parameters, a system instruction, tools."""
    declared = [genai.types.Tool(function_declarations=[{"name": "weather", "parameters_json_schema": WEATHER_SCHEMA}])]
    return genai.types.GenerateContentConfig(
        temperature=0.2,
        system_instruction="Be brief.",
        tools=declared if tools else None,
        automatic_function_calling=genai.types.AutomaticFunctionCallingConfig(disable=True),
    )


@pytest.mark.parametrize("answer", [GEMINI, GEMINI_CALLED], ids=["words", "call"])
@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_what_googles_sdk_does_is_seen_as_openinference_sees_it(server, answer, is_stream):
    """Messages, calls, counts, model: nothing is missing or otherwise."""
    if is_stream:
        first = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Par"}]}, "index": 0}]}
        last = {
            **answer,
            "candidates": [{**GEMINI["candidates"][0], "content": {"parts": [{"text": "is."}], "role": "model"}}],
        }
        server.reply = Reply([first, last] if answer is GEMINI else [answer], Framing.EVENTS)
    else:
        server.reply = Reply(answer)

    def make() -> None:
        client = gemini(server)
        models = client.models
        given = {
            "model": "gemini-9-flash",
            "contents": "Capital?",
            "config": gemini_config(tools=answer is GEMINI_CALLED),
        }
        if is_stream:
            list(models.generate_content_stream(**given))
        else:
            models.generate_content(**given)

    left, right = instrumented(GoogleGenAIInstrumentor(), make), seen(make)
    assert lost(left, right) == {}
    assert right["llm.model_name"] == "gemini-9-flash-001"
    assert '"temperature":0.2' in right["llm.invocation_parameters"]


# Mistral.


@pytest.mark.parametrize("call", [*CHAT_WHOLE[:1], *CHAT_STREAMS[:1]], ids=["whole", "stream"])
def test_what_mistrals_sdk_does_is_seen_as_openinference_sees_it(server, call):
    """Whole and streamed; the span that the SDK begins by itself is filled, not doubled."""
    server.reply = call.reply

    def make() -> None:
        with mistralai.client.Mistral(api_key="k", server_url=server.url) as client:
            if call.is_stream:
                list(client.chat.stream(model="mistral-large", messages=ASK, temperature=0.2))
            else:
                client.chat.complete(model="mistral-large", messages=ASK, temperature=0.2)

    assert lost(instrumented(MistralAIInstrumentor(), make), seen(make)) == {}


# Ollama, for which OpenInference has no instrumentor: against our own recorder.

OLLAMA = {
    "model": "llama9",
    "created_at": "2026-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": "Paris."},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 9,
    "eval_count": 5,
    "total_duration": 7_000_000,
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_what_ollamas_sdk_does_is_seen_as_our_recorder_sees_it(server, is_stream):
    """On httpx, whole and as lines."""
    parts = [
        {**OLLAMA, "done": False, "message": {"role": "assistant", "content": "Par"}},
        {**OLLAMA, "message": {"role": "assistant", "content": "is."}},
    ]
    server.reply = Reply(parts, Framing.LINES) if is_stream else Reply(OLLAMA)
    client = ollama.Client(host=server.url)

    def make() -> Any:
        answer = client.chat(model="llama9", messages=ASK, options={"temperature": 0.2}, stream=is_stream)
        return list(answer) if is_stream else answer

    right = seen(make)
    uninstrument_httpx()

    def recorded() -> None:
        with llmtrace.llm_span("llama9", ASK, 0.2) as span:
            answer = client.chat(model="llama9", messages=ASK, options={"temperature": 0.2}, stream=is_stream)
            if is_stream:
                list(span.record_stream(answer))
            else:
                span.record_output(answer)

    left = seen(recorded)
    timings = ("llmtrace.llm.time_to_first_token", "llmtrace.llm.tokens_per_second")
    assert {key for key in left.keys() | right.keys() if left.get(key) != right.get(key) and key not in timings} <= {
        "llm.invocation_parameters",
        "server.address",
    }


# Asynchronous clients.


async def aopenai(server: ProviderServer, *, is_stream: bool) -> None:
    """The real asynchronous client."""
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client:
        answer = await client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=is_stream)
        if is_stream:
            async for _ in answer:
                pass


@pytest.mark.parametrize("is_stream", [False, True], ids=["whole", "stream"])
def test_asynchronous_clients_are_seen_the_same(server, is_stream):
    """Of an AsyncOpenAI exactly what is recorded of an OpenAI."""
    call = (CHAT_STREAMS if is_stream else CHAT_WHOLE)[0]
    server.reply = call.reply

    def make() -> None:
        with openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client:
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=ASK, stream=is_stream)
            if is_stream:
                list(answer)

    timings = ("llmtrace.llm.time_to_first_token", "llmtrace.llm.tokens_per_second")
    left, right = (
        {key: value for key, value in found.items() if key not in timings}
        for found in (seen(make), seen(lambda: asyncio.run(aopenai(server, is_stream=is_stream))))
    )
    assert left == right
