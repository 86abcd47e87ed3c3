"""OpenTelemetry's GenAI attributes beside OpenInference's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openinference.semconv import trace as openinference
from opentelemetry.semconv._incubating.attributes import error_attributes, gen_ai_attributes
from opentelemetry.trace import Status, StatusCode
from records import record

import llmtrace
from llmtrace.processors.gen_ai import add_gen_ai
from llmtrace.semconv import gen_ai
from llmtrace.testing import capture_spans

pytest_plugins = ["core_fixtures"]

PUBLISHED = {
    value
    for module in (gen_ai_attributes, error_attributes)
    for name, value in vars(module).items()
    if name.isupper() and isinstance(value, str)
}
REMOVED = {
    "gen_ai.completion",
    "gen_ai.prompt",
    "gen_ai.system",
    "gen_ai.usage.completion_tokens",
    "gen_ai.usage.prompt_tokens",
}
"""On the published list as names that are not to be used any more."""
OPERATIONS = {item.value for item in gen_ai_attributes.GenAiOperationNameValues}
PROVIDERS = {item.value for item in gen_ai_attributes.GenAiProviderNameValues}


def converted(attributes: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The attributes of a span after the step."""
    return dict(add_gen_ai(record(attributes, **fields)).attributes)


def recorded(start: Any, sink: Any, make: Any, **settings: Any) -> dict[str, Any]:
    """What reaches the backend of the one span that `make` records."""
    start(conventions=("openinference", "gen_ai"), **settings)
    make()
    assert llmtrace.flush(10)
    (span,) = sink.spans
    return span.attributes


ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
                    }
                ],
            },
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 8},
    },
}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def chat() -> None:
    """A model call as an application records it."""
    messages = [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [{"type": "text", "text": "Weather?"}, {"type": "image_url", "image_url": "http://x/y.png"}],
        },
        {"role": "tool", "tool_call_id": "call_0", "content": '{"ok": true}'},
    ]
    with (
        llmtrace.using(session_id="s-1"),
        llmtrace.llm_span(
            "gpt-4o-mini",
            messages,
            0.2,
            tools=[TOOL],
            max_tokens=50,
            stop=["x"],
            seed=7,
            response_format={"type": "json_object"},
        ) as span,
    ):
        span.record_output(ANSWER)


def test_a_model_call_is_described_by_the_conventions(start, sink, strict):
    """Operation, provider, request, response, usage and conversation stand under the published names."""
    found = recorded(start, sink, chat)
    assert found["gen_ai.operation.name"] == "chat"
    assert found["gen_ai.provider.name"] == "openai"
    assert found["gen_ai.conversation.id"] == "s-1"
    assert found["gen_ai.request.model"] == "gpt-4o-mini"
    assert found["gen_ai.request.temperature"] == 0.2
    assert found["gen_ai.request.max_tokens"] == 50
    assert list(found["gen_ai.request.stop_sequences"]) == ["x"]
    assert found["gen_ai.request.seed"] == 7
    assert found["gen_ai.output.type"] == "json"
    assert found["gen_ai.response.model"] == "gpt-4o-mini-2024-07-18"
    assert found["gen_ai.response.id"] == "chatcmpl-1"
    assert list(found["gen_ai.response.finish_reasons"]) == ["tool_calls"]
    assert found["gen_ai.usage.input_tokens"] == 100
    assert found["gen_ai.usage.output_tokens"] == 20
    assert found["gen_ai.usage.cache_read.input_tokens"] == 64
    assert found["gen_ai.usage.reasoning.output_tokens"] == 8


def test_messages_have_the_published_form(start, sink, strict):
    """Input and output messages are JSON: a role, and parts of text, media, tool calls and their answers."""
    found = recorded(start, sink, chat)
    assert json.loads(found["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Weather?"},
                {"type": "uri", "modality": "image", "uri": "http://x/y.png"},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_0", "response": {"ok": True}}]},
    ]
    assert json.loads(found["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": "Let me look."},
                {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Oslo"}},
            ],
            "finish_reason": "tool_call",
        }
    ]
    assert json.loads(found["gen_ai.tool.definitions"]) == [
        {"type": "function", "name": "weather", "parameters": {"type": "object"}}
    ]


def test_openinferences_attributes_stay(start, sink, strict):
    """The conventions are added: every attribute of OpenInference is there as without them."""
    found = recorded(start, sink, chat)
    names = {str(value) for value in vars(openinference.SpanAttributes).values()}
    assert {key for key in found if key in names} >= {"llm.model_name", "llm.token_count.prompt", "output.value"}
    assert found["llm.input_messages.0.message.role"] == "system"


def test_a_separate_system_prompt_is_an_instruction(strict):
    """Where the provider takes the system prompt beside the conversation it stands in gen_ai.system_instructions."""
    found = converted(
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "claude-sonnet-4-5",
            "llm.input_messages.0.message.role": "system",
            "llm.input_messages.0.message.content": "Be kind.",
            "llm.input_messages.1.message.role": "user",
            "llm.input_messages.1.message.content": "Hi",
        }
    )
    assert json.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be kind."}]
    assert [message["role"] for message in json.loads(found["gen_ai.input.messages"])] == ["user"]


def test_several_choices_are_several_messages(strict):
    """Each choice is one message with its own reason; the items of one answer are one message."""
    answers = {
        "openinference.span.kind": "LLM",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "A",
        "llm.output_messages.1.message.role": "assistant",
        "llm.output_messages.1.message.content": "B",
    }
    two = converted({**answers, "llmtrace.llm.finish_reasons": ("stop", "length"), "llm.finish_reason": "stop"})
    assert [said["finish_reason"] for said in json.loads(two["gen_ai.output.messages"])] == ["stop", "length"]
    (one,) = json.loads(converted({**answers, "llm.finish_reason": "completed"})["gen_ai.output.messages"])
    assert [part["content"] for part in one["parts"]] == ["A", "B"]
    assert one["finish_reason"] == "stop"


KINDS = {
    "TOOL": {"tool.name": "t", "tool.description": "d", "input.value": '{"a":1}', "output.value": "2"},
    "AGENT": {"agent.name": "a", "input.value": "q", "output.value": "r"},
    "RETRIEVER": {
        "input.value": "q",
        "retrieval.documents.0.document.id": "d",
        "retrieval.documents.0.document.score": 0.5,
    },
    "EMBEDDING": {
        "embedding.model_name": "text-embedding-3-small",
        "embedding.invocation_parameters": '{"encoding_format": "float"}',
        "llmtrace.embedding.dimensions": 3,
        "llm.token_count.prompt": 4,
    },
    "LLM": {
        "llm.model_name": "gemini-2.5-flash",
        "llm.invocation_parameters": '{"config": {"top_k": 5, "max_output_tokens": 9}, "n": 1, "stream": true}',
        "llm.prompts.0.prompt.text": "p",
        "llm.choices.0.completion.text": "c",
    },
    "CHAIN": {"input.value": "x"},
    "GUARDRAIL": {"input.value": "x"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_added_key_is_published(kind, strict):
    """Whatever is added is on the published list, and not one of its names that are not to be used any more."""
    given = {"openinference.span.kind": kind, "session.id": "s", **KINDS[kind]}
    status = Status(StatusCode.ERROR, "boom")
    added = converted(given, status=status).keys() - given.keys()
    assert added <= PUBLISHED - REMOVED
    assert bool(added) is (kind not in ("CHAIN", "GUARDRAIL"))
    found = converted(given, status=status)
    assert found.get("gen_ai.operation.name", "chat") in OPERATIONS
    assert found.get("gen_ai.provider.name", "openai") in PROVIDERS


def test_every_word_of_ours_is_published():
    """Each key in semconv/gen_ai.py is on the published list, each operation among the published ones."""
    words = {name: value for name, value in vars(gen_ai).items() if name.isupper() and isinstance(value, str)}
    keys = {value for value in words.values() if "." in value} - {gen_ai.EVALUATION_EVENT}
    assert keys <= PUBLISHED - REMOVED
    assert {value for value in words.values() if "." not in value} <= OPERATIONS


def test_evaluations_are_events(strict):
    """What an evaluator found is the event that the conventions describe."""
    given = {
        "openinference.span.kind": "EVALUATOR",
        "evaluations.0.evaluation.name": "tone",
        "evaluations.0.evaluation.score": 0.5,
    }
    (event,) = add_gen_ai(record(given)).events
    assert event.name == "gen_ai.evaluation.result"
    assert dict(event.attributes or {}) == {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 0.5}


def test_what_a_span_says_of_itself_stays(strict):
    """A gen_ai attribute that is there already is not replaced."""
    given = {"openinference.span.kind": "LLM", "gen_ai.operation.name": "generate_content", "llm.model_name": "x"}
    assert converted(given)["gen_ai.operation.name"] == "generate_content"


def test_without_the_setting_nothing_is_added(start, sink, strict):
    """By default no gen_ai attribute leaves."""
    start()
    chat()
    assert llmtrace.flush(10)
    assert [key for key in sink.spans[0].attributes if key.startswith("gen_ai.")] == []


def test_without_content_no_message_leaves(start, sink, strict):
    """capture_content=False takes messages, instructions and tool definitions out of these attributes as well."""
    found = recorded(start, sink, chat, capture_content=False)
    assert found["gen_ai.usage.input_tokens"] == 100
    assert not {key for key in found if key.endswith((".messages", "instructions", "definitions"))}
    assert "Weather?" not in str(found)


def test_secrets_are_redacted_in_messages(start, sink, strict):
    """What is derived is redacted as everything else."""

    def make() -> None:
        with llmtrace.llm_span("gpt-4o", [{"role": "user", "content": "my key is sk-proj-" + "a1B2" * 12}]):
            pass

    found = recorded(start, sink, make)
    assert "a1B2a1B2" not in str(found)
    assert "[redacted:" in found["gen_ai.input.messages"]


def test_a_stream_says_that_it_is_one(strict):
    """A recorded stream has gen_ai.request.stream and the time to the first chunk."""
    with capture_spans() as spans, llmtrace.llm_span("gpt-4o", "hi") as span:
        for _ in span.record_stream(iter(["a", "b"])):
            pass
    found = converted(dict(spans[0].attributes or {}))
    assert found["gen_ai.request.stream"] is True
    assert found["gen_ai.response.time_to_first_chunk"] >= 0
