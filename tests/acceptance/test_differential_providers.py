"""The same real SDK against the same server, recorded by llmtrace and by OpenInference's instrumentor: no difference.

What may differ stands in `docs/reference/recorded-differences.md`, which these tests read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import anthropic
import openai
import provider_payloads_more as more
import pytest
from openinference.instrumentation.anthropic import AnthropicInstrumentor
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from provider_payloads import (
    ANTHROPIC_STREAMS,
    ANTHROPIC_WHOLE,
    CHAT_STREAMS,
    CHAT_WHOLE,
    COMPLETIONS_STREAMS,
    COMPLETIONS_WHOLE,
    RESPONSES_STREAMS,
    RESPONSES_WHOLE,
    Call,
)
from provider_server import ProviderServer, provider_server

import llmtrace
from llmtrace._record import SpanRecord
from llmtrace.processors.json_strings import flatten_json_strings
from llmtrace.processors.llm_values import derive_llm_values
from llmtrace.testing import capture_spans

pytest_plugins = ["core_fixtures"]

TABLE = Path(__file__).parents[2] / "docs" / "reference" / "recorded-differences.md"
KINDS = ("only OpenInference", "only llmtrace", "another value")
PROTECTED = (
    "llm.input_messages.*",
    "llm.output_messages.*",
    "llm.prompts.*",
    "llm.choices.*",
    "llm.token_count.*",
    "llm.model_name",
    "llm.finish_reason",
    "output.images.*",
)
"""Of these more than OpenInference records is welcome, less or something else never."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row of the table."""

    pattern: str
    kind: str
    theirs: str
    ours: str
    why: str
    source: str


def table() -> list[Difference]:
    """The rows of the documented table."""
    rows = re.findall(r"^\| `([^`]+)` \|(.*)\|$", TABLE.read_text(), re.MULTILINE)
    return [Difference(pattern, *(cell.strip() for cell in cells.split(" | "))) for pattern, cells in rows]


# The two recorders.

Recorded = dict[str, Any]


@contextmanager
def openai_client(server: ProviderServer) -> Iterator[openai.OpenAI]:
    """The real client of the SDK."""
    with openai.OpenAI(api_key="k", base_url=f"{server.url}/v1", max_retries=0) as client:
        yield client


@contextmanager
def anthropic_client(server: ProviderServer) -> Iterator[anthropic.Anthropic]:
    """The real client of the SDK."""
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        yield client


@dataclass(frozen=True, slots=True)
class Provider:
    """How one API of a provider is called, and who else records it.

    Attributes:
        client: opens a client for a server.
        method: the method of the client that is called.
        instrumentor: OpenInference's.
        given: the fields of the request that llm_span takes as its messages.
    """

    client: Callable[[ProviderServer], Any]
    method: Callable[[Any], Callable[..., Any]]
    instrumentor: Callable[[], Any]
    given: tuple[str, ...]


PROVIDERS = {
    "chat": Provider(openai_client, lambda it: it.chat.completions.create, OpenAIInstrumentor, ("messages",)),
    "completions": Provider(openai_client, lambda it: it.completions.create, OpenAIInstrumentor, ("prompt",)),
    "responses": Provider(openai_client, lambda it: it.responses.create, OpenAIInstrumentor, ("instructions", "input")),
    "anthropic": Provider(
        anthropic_client, lambda it: it.messages.create, AnthropicInstrumentor, ("system", "messages")
    ),
}
CALLS = {
    "chat": CHAT_WHOLE + CHAT_STREAMS + more.CHAT_WHOLE + more.CHAT_STREAMS,
    "completions": COMPLETIONS_WHOLE + COMPLETIONS_STREAMS,
    "responses": RESPONSES_WHOLE + RESPONSES_STREAMS + more.RESPONSES_WHOLE,
    "anthropic": ANTHROPIC_WHOLE + ANTHROPIC_STREAMS + more.ANTHROPIC_WHOLE + more.ANTHROPIC_STREAMS,
}
EVERY = [
    pytest.param(provider, call, id=f"{provider}-{'stream' if call.is_stream else 'whole'}-{call.name}")
    for provider, calls in CALLS.items()
    for call in calls
]


def request_of(call: Call) -> dict[str, Any]:
    """The arguments of the SDK's method."""
    request = {key: value for key, value in call.request.items() if value is not ...}
    return {**request, "stream": True} if call.is_stream else request


def ours(provider: Provider, call: Call, server: ProviderServer) -> Recorded:
    """What llmtrace records of a call, as it leaves the worker."""
    request = request_of(call)
    asked = {key: request[key] for key in provider.given if key in request}
    rest = {key: value for key, value in request.items() if key not in (*provider.given, "model", "tools")}
    tools = request.get("tools")
    with (
        capture_spans() as spans,
        provider.client(server) as client,
        llmtrace.llm_span(request["model"], asked, tools=tools, **rest) as span,
    ):
        answer = provider.method(client)(**request)
        if call.is_stream:
            for _ in span.record_stream(answer):
                pass
        else:
            span.record_output(answer)
    record = derive_llm_values(flatten_json_strings(SpanRecord.of(spans[0])))
    return dict(record.attributes)


def theirs(provider: Provider, call: Call, server: ProviderServer) -> Recorded:
    """What OpenInference's instrumentor records of a call."""
    exporter = InMemorySpanExporter()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = provider.instrumentor()
    instrumentor.instrument(tracer_provider=tracer_provider, skip_dep_check=True)
    try:
        with provider.client(server) as client:
            answer = provider.method(client)(**request_of(call))
            if call.is_stream:
                for _ in answer:
                    pass
    finally:
        instrumentor.uninstrument()
    (span,) = exporter.get_finished_spans()
    return dict(span.attributes or {})


def comparable(attributes: Mapping[str, Any]) -> Recorded:
    """Attributes with JSON texts parsed, since its spelling says nothing, and the conversation numbered from 0."""
    gap = 0 if any(key.startswith("llm.input_messages.0.") for key in attributes) else 1
    return {_renumbered(key, gap): _parsed(value) for key, value in attributes.items()}


def _renumbered(key: str, gap: int) -> str:
    return re.sub(r"^(llm\.input_messages\.)(\d+)", lambda found: f"{found[1]}{int(found[2]) - gap}", key)


def _parsed(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def differences(left: Recorded, right: Recorded) -> dict[str, str]:
    """Each key on which OpenInference (left) and llmtrace (right) disagree -> how."""
    found = dict.fromkeys(left.keys() - right.keys(), KINDS[0]) | dict.fromkeys(right.keys() - left.keys(), KINDS[1])
    return found | {key: KINDS[2] for key in left.keys() & right.keys() if left[key] != right[key]}


@pytest.fixture(scope="module")
def server() -> Iterator[ProviderServer]:
    """One server for all calls."""
    with provider_server() as running:
        yield running


@pytest.fixture(scope="module")
def compared(server: ProviderServer) -> Callable[[str, Call], dict[str, str]]:
    """Make a call twice, and say on which attributes the records disagree; each call is made once a session."""
    kept: dict[tuple[str, str, bool], dict[str, str]] = {}

    def compare(name: str, call: Call) -> dict[str, str]:
        place = (name, call.name, call.is_stream)
        if place not in kept:
            server.reply = call.reply
            recorded = [comparable(record(PROVIDERS[name], call, server)) for record in (theirs, ours)]
            kept[place] = differences(*recorded)
        return kept[place]

    return compare


def is_on(rows: list[Difference], key: str, kind: str) -> bool:
    """Whether the table has this difference."""
    return any(row.kind == kind and fnmatchcase(key, row.pattern) for row in rows)


@pytest.mark.parametrize(("provider", "call"), EVERY)
def test_llmtrace_records_what_openinference_records(provider, call, compared, strict):
    """Every attribute is the same, or its difference stands in the table with its reason."""
    rows = table()
    assert {key: kind for key, kind in compared(provider, call).items() if not is_on(rows, key, kind)} == {}


@pytest.mark.parametrize(("provider", "call"), EVERY)
def test_no_message_tool_call_count_model_or_reason_is_missing_or_different(provider, call, compared, strict):
    """Whatever the table says, nothing that OpenInference records of these is missing or otherwise."""
    lost = {
        key: kind
        for key, kind in compared(provider, call).items()
        if kind != KINDS[1] and any(fnmatchcase(key, pattern) for pattern in PROTECTED)
    }
    assert lost == {}


def test_the_table_excuses_no_message_tool_call_count_model_or_reason():
    """A row that could match one of these may only say that llmtrace records more."""
    samples = [pattern.replace("*", "0.message.content") for pattern in PROTECTED]
    for row in table():
        reach = row.pattern.partition("*")[0]
        touches = [key for key in samples if fnmatchcase(key, row.pattern)]
        touches += [pattern for pattern in PROTECTED if pattern.startswith(reach) or reach.startswith(pattern[:-1])]
        assert row.kind == KINDS[1] or not touches, row


def test_every_row_of_the_table_is_complete_and_needed(compared, strict):
    """A row has a known kind, what both do, why and a source, and describes a difference that is there."""
    seen = {item for name, calls in CALLS.items() for call in calls for item in compared(name, call).items()}
    rows = table()
    assert rows
    for row in rows:
        assert row.kind in KINDS, row
        assert all((row.theirs, row.ours, row.why, row.source)), row
        assert any(kind == row.kind and fnmatchcase(key, row.pattern) for key, kind in seen), f"not needed: {row}"
