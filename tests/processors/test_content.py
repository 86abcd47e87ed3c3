"""Tests of llmtrace.processors.content: `capture_content=False` leaves structure, and no byte of content."""

from __future__ import annotations

import json
import traceback

import pytest
from openinference.semconv import trace as openinference
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from records import record

from llmtrace.exporters.otlp import encode
from llmtrace.processors.content import frames, without_content
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

CANARY = "canary"

CONTENT = [
    "input.value",
    "output.value",
    "llm.input_messages.0.message.content",
    "llm.input_messages.1.message.contents.0.message_content.text",
    "llm.input_messages.1.message.contents.1.message_content.image.image.url",
    "llm.input_messages.1.message.contents.2.message_content.audio.audio.url",
    "llm.input_messages.1.message.contents.2.message_content.data",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
    "llm.output_messages.0.message.tool_calls.0.tool_call.reasoning_signature",
    "llm.output_messages.0.message.function_call_arguments_json",
    "llm.input_messages",
    "llm.prompts.0.prompt.text",
    "llm.choices.0.completion.text",
    "llm.function_call",
    "llm.prompt_template.template",
    "llm.prompt_template.variables",
    "llm.tools.0.tool.json_schema",
    "tool.parameters",
    "tool.description",
    "retrieval.documents.0.document.content",
    "retrieval.documents.0.document.metadata",
    "retrieval.documents.0.document.url",
    "reranker.query",
    "reranker.input_documents.0.document.content",
    "embedding.embeddings.0.embedding.text",
    "input.images.0.image.url",
    "output.documents.0.document.content",
    "evaluations.0.evaluation.explanation",
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.definitions",
    "gen_ai.tool.description",
    "gen_ai.retrieval.query.text",
    "gen_ai.retrieval.documents",
    "gen_ai.prompt.0.content",
    "gen_ai.something.of.tomorrow",
    "llm.something.of.tomorrow",
    "traceloop.entity.input",
    "traceloop.entity.output",
    "ai.prompt",
    "ai.prompt.messages",
    "ai.response.text",
    "ai.toolCall.args",
    "ai.toolCall.result",
    "langfuse.observation.input",
    "langfuse.trace.output",
    "mlflow.spanInputs",
    "mlflow.spanOutputs",
    "pydantic_ai.all_messages",
    "all_messages_events",
    "request_data",
    "response_data",
    "exception.message",
    "error.message",
]

KEPT = {
    keys.SPAN_KIND: "LLM",
    keys.LLM_MODEL_NAME: "gpt-x",
    keys.LLM_PROVIDER: "openai",
    keys.LLM_FINISH_REASON: "stop",
    keys.LLM_TOKEN_COUNT_PROMPT: 12,
    keys.PROMPT_VERSION: "v7",
    keys.INPUT_MIME_TYPE: "application/json",
    keys.SESSION_ID: "s-1",
    keys.USER_ID: "u-1",
    keys.TAGS: ("a",),
    keys.METADATA: '{"tenant": "acme"}',
    keys.TOOL_NAME: "search",
    keys.AGENT_NAME: "support",
    keys.RETRIEVAL_COUNT: 3,
    keys.STREAM_OUTCOME: "complete",
    "llm.cost.total": 0.1,
    "llm.input_messages.0.message.role": "user",
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_1",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "search",
    "llm.input_messages.2.message.tool_call_id": "call_1",
    "llm.input_messages.1.message.contents.0.message_content.type": "text",
    "retrieval.documents.0.document.id": "d-1",
    "retrieval.documents.0.document.score": 0.9,
    "embedding.model_name": "e-1",
    "evaluations.0.evaluation.name": "toxicity",
    "evaluations.0.evaluation.score": 0.1,
    "gen_ai.request.model": "gpt-x",
    "gen_ai.request.temperature": 0.1,
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.operation.name": "chat",
    "gen_ai.tool.call.id": "call_1",
    "http.route": "/ask",
    "db.system": "postgresql",
    "my.own.key": "mine",
    alert.REASON: "retriever returned nothing",
    alert.SEVERITY: "critical",
}


@pytest.mark.parametrize("key", CONTENT)
def test_content_is_in_no_byte(key):
    """On the span, in an event and in a link, ours or a third party's."""
    span = record(
        {key: CANARY, "other": (1,)},
        events=[Event("e", {key: CANARY})],
        links=[Link(SpanContext(1, 2, is_remote=False), {key: CANARY})],
    )
    assert CANARY.encode() not in encode([without_content(span)])


@pytest.mark.parametrize("value", [(0.1, 0.2), [0.1], "[0.1]", 0.25], ids=repr)
def test_vectors_are_content_too(value):
    """As numbers as well as as text."""
    assert not without_content(record({"embedding.embeddings.0.embedding.vector": value})).attributes


@pytest.mark.parametrize("key", KEPT)
def test_structure_and_what_is_the_users_own_stays(key):
    """Types, model, tokens, counts, scores, ids, alert reasons, and keys outside of the conventions."""
    assert without_content(record(KEPT)).attributes[key] == KEPT[key]


def test_every_openinference_attribute_was_decided_on():
    """A key that the conventions add shows up here: content unless it is named."""
    named = {
        value
        for owner in vars(openinference).values()
        if isinstance(owner, type) and owner.__name__ == "SpanAttributes"
        for name, value in vars(owner).items()
        if name.isupper()
    }
    kept = without_content(record(dict.fromkeys(named, CANARY))).attributes
    assert {key for key, value in kept.items() if CANARY in value} == {
        "agent.name",
        "decision.model_name",
        "decision.provider",
        "decision.request.model_name",
        "decision.response.model_name",
        "decision.system",
        "embedding.model_name",
        "graph.node.id",
        "graph.node.name",
        "graph.node.parent_id",
        "input.mime_type",
        "llm.finish_reason",
        "llm.model_name",
        "llm.prompt_template.version",
        "llm.provider",
        "llm.request.model_name",
        "llm.response.model_name",
        "llm.system",
        "metadata",
        "openinference.span.kind",
        "output.mime_type",
        "prompt.id",
        "prompt.url",
        "prompt.vendor",
        "session.id",
        "tag.tags",
        "tool.id",
        "tool.name",
        "user.id",
    }


def test_invocation_parameters_keep_their_numbers():
    """A temperature is structure; a stop sequence, a system prompt or a schema is none."""
    parameters = {
        "temperature": 0.2,
        "stream": True,
        "model": "m",
        "stop": [CANARY],
        "system": CANARY,
        "tools": [{"x": CANARY}],
    }
    kept = without_content(record({keys.LLM_INVOCATION_PARAMETERS: json.dumps(parameters)})).attributes
    assert json.loads(kept[keys.LLM_INVOCATION_PARAMETERS]) == {"temperature": 0.2, "stream": True, "model": "m"}
    assert (
        without_content(record({keys.LLM_INVOCATION_PARAMETERS: f"{{{CANARY}"})).attributes[
            keys.LLM_INVOCATION_PARAMETERS
        ]
        == "{}"
    )


def test_gen_ai_events_lose_their_bodies():
    """Whatever the instrumentation calls them."""
    events = [
        Event("gen_ai.user.message", {"content": CANARY, "role": "user", "gen_ai.system": "openai"}),
        Event("gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": CANARY, "tool_calls": CANARY}),
        Event("gen_ai.content.prompt", {"gen_ai.prompt": CANARY}),
    ]
    stripped = without_content(record(events=events))
    assert CANARY.encode() not in encode([stripped])
    assert [dict(event.attributes or {}) for event in stripped.events] == [
        {"role": "user", "gen_ai.system": "openai"},
        {"index": 0, "finish_reason": "stop"},
        {},
    ]


def test_alert_tags_stay_whole():
    """Their reason is the user's own text."""
    tag = Event(alert.EVENT_NAME, {alert.REASON: "mine", "message": "mine"})
    assert without_content(record(events=[tag])).events == (tag,)


def raised():
    """A real exception with a cause, notes, several lines and a lying last line."""
    try:
        try:
            {}[CANARY]
        except KeyError as error:
            error.add_note(f"note {CANARY}")
            message = f"bad {CANARY}\n{CANARY}: x\n  {CANARY}\n    {CANARY}\n"
            raise ValueError(message) from error
    except ValueError as error:
        return error


def test_a_stack_trace_keeps_frames_and_types_only():
    """Files, lines, functions and the names of the exceptions; no source line, no message, no note."""
    trace = "".join(traceback.format_exception(raised()))
    kept = frames(trace)
    assert CANARY not in kept
    assert "in raised" in kept
    assert "raise" not in kept.replace("in raised", "")
    assert [line for line in kept.splitlines() if not line.startswith((" ", "Traceback", "The above"))] == [
        "KeyError",
        "ValueError",
    ]
    assert len([line for line in kept.splitlines() if "File " in line]) == 2


def test_an_exception_group_keeps_its_frames_and_types():
    """Each line of it stands behind a margin."""
    with pytest.raises(ExceptionGroup) as caught:
        raise ExceptionGroup(CANARY, [raised(), TypeError(CANARY)])
    kept = frames("".join(traceback.format_exception(caught.value)))
    assert CANARY not in kept
    assert "  | ExceptionGroup\n" in kept
    assert "    | ValueError" in kept
    assert kept.count("in raised") == 2


@pytest.mark.parametrize(
    "text",
    [
        CANARY,
        f"{CANARY}: x",
        f"    {CANARY}",
        f"Error: {CANARY}\n    at {CANARY} said it",
        f"x Traceback (most recent call last):\n{CANARY} y",
    ],
)
def test_what_is_no_stack_trace_leaves_nothing(text):
    """Text in its place is content."""
    assert CANARY not in frames(text)


def test_a_foreign_stack_trace_keeps_its_frames():
    """Of JavaScript and Java."""
    text = f"Error: {CANARY}\n    at Object.run (/app/x.js:3:4)\n\tat com.x.Y.z(Y.java:12)\n"
    assert frames(text).splitlines() == ["    at Object.run (/app/x.js:3:4)", "\tat com.x.Y.z(Y.java:12)"]


@pytest.mark.parametrize(
    ("description", "kept"),
    [(f"ValueError: {CANARY}", "ValueError"), (CANARY, None), (f"{CANARY}: x", None), (None, None)],
)
def test_a_status_keeps_the_type_of_its_exception(description, kept):
    """Only where the span recorded an exception of that type: any other text is content."""
    events = [
        Event(
            "exception",
            {"exception.type": "builtins.ValueError", "exception.message": CANARY, "exception.stacktrace": CANARY},
        )
    ]
    stripped = without_content(record(status=Status(StatusCode.ERROR, description), events=events))
    assert stripped.status.description == kept
    assert stripped.status.status_code is StatusCode.ERROR
    assert stripped.events[0].attributes == {"exception.type": "builtins.ValueError", "exception.stacktrace": ""}
    assert CANARY.encode() not in encode([stripped])
