"""Google's Interactions API."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import interactions
from pydantic import TypeAdapter

from llmtrace.recorders import llm_accumulator, llm_answer

OUT = "llm.output_messages.0.message"
USAGE = {
    "total_input_tokens": 100,
    "total_cached_tokens": 60,
    "total_output_tokens": 20,
    "total_thought_tokens": 7,
    "total_tokens": 127,
    "input_tokens_by_modality": [{"modality": "text", "tokens": 90}, {"modality": "audio", "tokens": 10}],
}
SEARCH = {"type": "google_search_call", "id": "g1", "arguments": {"queries": ["Paris"]}}
SEARCHED = {"type": "google_search_result", "call_id": "g1", "result": [{"search_suggestions": "s"}]}
THOUGHT = {"type": "thought", "signature": "c2ln", "summary": [{"type": "text", "text": "France."}]}
CALLED = {"type": "function_call", "id": "c1", "name": "weather", "arguments": {"city": "Paris"}}
SAID = {
    "type": "model_output",
    "content": [
        {"type": "text", "text": "Paris.", "annotations": [{"type": "url_citation", "url": "https://a.example"}]},
        {"type": "image", "mime_type": "image/jpeg", "data": "QUJD"},
    ],
}


def interaction(*steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The REST API's answer."""
    named = {"id": "i1", "object": "interaction", "model": "gemini-3-flash", "status": "completed", "usage": USAGE}
    return {**named, "steps": list(steps), **fields}


def as_sdk(value: dict[str, Any]) -> Any:
    """What google-genai makes of it."""
    return interactions.Interaction.model_validate(value)


FORMS = pytest.mark.parametrize("form", [lambda value: value, as_sdk], ids=["rest", "sdk"])


@FORMS
def test_the_steps_are_one_message_of_the_model(form):
    """Thoughts, words and images are its contents, functions its calls; what the provider ran comes behind them."""
    found = llm_answer(form(interaction(THOUGHT, SEARCH, SEARCHED, CALLED, SAID, status="requires_action")))
    contents = [found.get(f"{OUT}.contents.{place}.message_content.type") for place in range(5)]
    assert contents == ["reasoning", "text", "image", "google_search_result", None]
    assert found[f"{OUT}.role"] == "model"
    assert found[f"{OUT}.contents.0.message_content.text"] == "France."
    assert found[f"{OUT}.contents.0.message_content.signature"] == "c2ln"
    assert found[f"{OUT}.contents.1.message_content.text"] == found["output.value"] == "Paris."
    assert found[f"{OUT}.contents.2.message_content.image.image.url"] == "data:image/jpeg;base64,QUJD"
    calls = [
        tuple(
            found[f"{OUT}.tool_calls.{place}.tool_call.{name}"]
            for name in ("id", "function.name", "function.arguments")
        )
        for place in range(2)
    ]
    assert calls == [
        ("c1", "weather", '{"city":"Paris"}'),
        ("g1", "google_search_call", '{"queries":["Paris"]}'),
    ]
    assert found["llm.finish_reason"] == "requires_action"
    assert found["llm.model_name"] == "gemini-3-flash"
    assert found["llmtrace.llm.response_id"] == "i1"
    assert found["llmtrace.llm.citations"].startswith("[")


@FORMS
def test_the_counts_are_those_of_generate_content(form):
    """The thoughts are a part of the completion, the cached tokens a part of the prompt."""
    found = llm_answer(form(interaction(SAID)))
    counts = {key.removeprefix("llm.token_count."): value for key, value in found.items() if "token_count" in key}
    assert counts == {
        "prompt": 100,
        "completion": 27,
        "total": 127,
        "prompt_details.cache_read": 60,
        "prompt_details.audio": 10,
        "completion_details.reasoning": 7,
    }


@FORMS
def test_what_went_in_is_no_output_and_a_result_is_the_tools(form):
    """A step of the user's is left to the input; the result of a function stands before what the model made of it."""
    given = {"type": "function_result", "call_id": "c1", "result": "18 degrees"}
    asked = {"type": "user_input", "content": [{"type": "text", "text": "Weather?"}]}
    found = llm_answer(form(interaction(asked, given, SAID)))
    assert found[f"{OUT}.role"] == "tool"
    assert found[f"{OUT}.tool_call_id"] == "c1"
    assert found[f"{OUT}.content"] == "18 degrees"
    assert found["llm.output_messages.1.message.role"] == "model"
    assert "Weather?" not in str(found)


@FORMS
@pytest.mark.parametrize("status", ["in_progress", "failed"])
def test_an_interaction_that_has_no_words_says_how_it_stands(form, status):
    """In the background there is nothing yet but a state."""
    found = llm_answer(form(interaction(status=status, usage=None)))
    assert found["llm.finish_reason"] == status
    assert "output.value" not in found
    assert f"{OUT}.role" not in found


def test_the_outputs_of_the_first_version_are_steps():
    """In its first version an interaction had outputs, each a content by itself."""
    outputs = [{"type": "thought", "signature": "s"}, {"type": "text", "text": "Paris."}, CALLED]
    found = llm_answer({"id": "i", "model": "gemini-3", "status": "completed", "outputs": outputs, "usage": USAGE})
    assert found["output.value"] == "Paris."
    assert found[f"{OUT}.tool_calls.0.tool_call.function.name"] == "weather"


def _event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"event_type": kind, **fields}


def _delta(index: int, **delta: Any) -> dict[str, Any]:
    return _event("step.delta", index=index, delta=delta)


EVENTS = [
    _event("interaction.created", interaction=interaction(status="in_progress", usage=None)),
    _event("interaction.status_update", interaction_id="i1", status="in_progress"),
    _event("step.start", index=0, step={"type": "thought"}),
    _delta(0, type="thought_summary", content={"type": "text", "text": "Fra"}),
    _delta(0, type="thought_summary", content={"type": "text", "text": "nce."}),
    _delta(0, type="thought_signature", signature="c2ln"),
    _event("step.stop", index=0),
    _event("step.start", index=1, step={**CALLED, "arguments": {}}),
    _delta(1, type="arguments_delta", arguments='{"city"'),
    _delta(1, type="arguments_delta", arguments=':"Paris"}'),
    _event("step.start", index=2, step={"type": "model_output"}),
    _delta(2, type="text", text="Par"),
    _delta(2, type="text", text="is."),
    _delta(2, type="text_annotation_delta", annotations=SAID["content"][0]["annotations"]),
    _delta(2, type="image", mime_type="image/jpeg", data="QUJD"),
    _event("step.stop", index=2),
    _event("interaction.completed", interaction=interaction()),
]
SSE = TypeAdapter(interactions.InteractionSSEEvent)


@pytest.mark.parametrize("form", [lambda value: value, SSE.validate_python, lambda value: {"data": value}])
def test_a_stream_is_recorded_as_the_whole_answer(form):
    """Each event in its place; what the last one does not repeat is kept from the pieces."""
    chunks = [form(event) for event in EVENTS]
    accumulator = llm_accumulator(chunks[0])
    brought = [place for place, chunk in enumerate(chunks) if accumulator.add(chunk)]
    found, whole = accumulator.attributes(), llm_answer(interaction(THOUGHT, CALLED, SAID))
    del found["llmtrace.llm.citations"], whole["llmtrace.llm.citations"]  # the SDK's has more fields, all empty
    assert found == whole
    assert brought == [3, 4, 8, 9, 11, 12, 14]


@pytest.mark.parametrize("count", range(1, len(EVENTS)))
def test_a_stream_that_broke_off_keeps_what_came(count):
    """However far it came: model, and as many of its words as there were."""
    accumulator = llm_accumulator(EVENTS[0])
    for event in EVENTS[:count]:
        accumulator.add(event)
    found = accumulator.attributes()
    assert found["llm.model_name"] == "gemini-3-flash"
    assert found.get("output.value", "") == "Paris."[: 3 * max(0, min(2, count - 11))]


def test_events_of_the_first_version_are_read():
    """Its contents began, grew and stopped as steps do now."""
    events = [
        _event("interaction.start", interaction={"id": "i", "model": "gemini-3", "status": "in_progress"}),
        _event("content.start", index=0, content={"type": "text"}),
        _event("content.delta", index=0, delta={"type": "text", "text": "Paris."}),
        _event("content.stop", index=0),
        _event("interaction.complete", interaction={"id": "i", "status": "completed", "usage": USAGE}),
    ]
    accumulator = llm_accumulator(events[0])
    for event in events:
        accumulator.add(event)
    found = accumulator.attributes()
    assert found["output.value"] == "Paris."
    assert found["llm.token_count.total"] == 127


@pytest.mark.parametrize("other", [{"steps": [1, 2]}, {"outputs": ["a"], "usage": {}}, {"event_type": "stepped"}])
def test_what_is_no_interaction_is_not_taken_for_one(other):
    """A dict with steps of another kind is kept as it is."""
    assert llm_answer(other)["output.mime_type"] == "application/json"
