"""Messages of Google's Live API: what was said, heard and called in a turn, and for how many tokens."""

from __future__ import annotations

from typing import Any

import pytest
from google.genai import types
from strategies import HOSTILE

from llmtrace.recorders import llm_accumulator, llm_answer

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OUT = "llm.output_messages.0.message"
SOUND = {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAA"}}
CALL = {"id": "f1", "name": "lamp", "args": {"on": True}}
USAGE = {
    "promptTokenCount": 40,
    "responseTokenCount": 25,
    "thoughtsTokenCount": 5,
    "totalTokenCount": 70,
    "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 30}, {"modality": "TEXT", "tokenCount": 10}],
    "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 25}],
}


def content(**said: Any) -> dict[str, Any]:
    """A message with something of a turn."""
    return {"serverContent": said}


def turn(*parts: dict[str, Any]) -> dict[str, Any]:
    """A message with parts of what the model says."""
    return content(modelTurn={"role": "model", "parts": list(parts)})


SPOKEN = [
    {"setupComplete": {"sessionId": "s-1"}},
    content(inputTranscription={"text": "Turn on "}),
    content(inputTranscription={"text": "the lamp."}),
    turn({"text": "The lamp.", "thought": True}),
    turn(SOUND),
    content(outputTranscription={"text": "It is "}),
    turn(SOUND),
    content(outputTranscription={"text": "on."}),
    content(generationComplete=True),
    {**content(turnComplete=True), "usageMetadata": USAGE},
]
FORMS = pytest.mark.parametrize("form", [lambda message: message, types.LiveServerMessage.model_validate])


def streamed(pieces: list[Any]) -> tuple[dict[str, Any], list[bool]]:
    """What a stream says, and which of its messages brought something of the answer."""
    accumulator = llm_accumulator(pieces[0])
    brought = [accumulator.add(piece) for piece in pieces]
    return accumulator.attributes(), brought


@FORMS
def test_what_was_said_aloud_is_its_transcript(form):
    """The answer is what the model said, without its sound; what the user said stands behind it; tokens are counted."""
    found, brought = streamed([form(message) for message in SPOKEN])
    assert found["output.value"] == "It is on."
    assert found[f"{OUT}.role"] == "model"
    assert found[f"{OUT}.contents.0.message_content.type"] == "reasoning"
    assert found[f"{OUT}.contents.1.message_content.audio.audio.transcript"] == "It is on."
    assert found[f"{OUT}.contents.1.message_content.audio.audio.mime_type"] == "audio/pcm;rate=24000"
    assert "AAAA" not in str(found)
    assert found["llm.output_messages.1.message.role"] == "user"
    assert found["llm.output_messages.1.message.content"] == "Turn on the lamp."
    assert found["llm.finish_reason"] == "turn_complete"
    counts = [found[f"llm.token_count.{name}"] for name in ("prompt", "completion", "total")]
    assert counts == [40, 30, 70]
    assert found["llm.token_count.prompt_details.audio"] == 30
    assert found["llm.token_count.completion_details.audio"] == 25
    assert found["llm.token_count.completion_details.reasoning"] == 5
    assert brought == [False, False, False, True, True, True, True, True, False, False]


@FORMS
def test_what_was_written_and_called_is_recorded(form):
    """Texts grow together; calls are the message's; a turn that begins with counts is none of generate_content."""
    messages = [
        {**turn({"text": "Let me "}), "usageMetadata": {"promptTokenCount": 3}},
        turn({"text": "see."}),
        {"toolCall": {"functionCalls": [CALL, {**CALL, "id": "f2", "name": "fan"}]}},
    ]
    found, brought = streamed([form(message) for message in messages])
    assert found[f"{OUT}.contents.0.message_content.text"] == found["output.value"] == "Let me see."
    names = [found[f"{OUT}.tool_calls.{place}.tool_call.function.name"] for place in range(2)]
    assert names == ["lamp", "fan"]
    assert found[f"{OUT}.tool_calls.0.tool_call.function.arguments"] == '{"on":true}'
    assert found[f"{OUT}.tool_calls.1.tool_call.id"] == "f2"
    assert found["llm.token_count.prompt"] == 3
    assert brought == [True, True, True]


@FORMS
def test_a_turn_that_was_interrupted_or_ended_for_a_reason_says_so(form):
    """An interruption is why it ended, though the turn is complete afterwards."""
    ends = [content(interrupted=True), content(turnComplete=True)]
    found, _ = streamed([form(message) for message in (turn({"text": "Once upon"}), *ends)])
    assert (found["output.value"], found["llm.finish_reason"]) == ("Once upon", "interrupted")
    reason = content(turnComplete=True, turnCompleteReason="NEED_MORE_INPUT")
    found, _ = streamed([form(message) for message in (turn({"text": "Once"}), reason)])
    assert found["llm.finish_reason"] == "NEED_MORE_INPUT"


@FORMS
def test_messages_that_the_app_gathered_are_the_turn(form):
    """As a list, and one by itself."""
    assert llm_answer([form(message) for message in SPOKEN]) == streamed(SPOKEN)[0]
    assert llm_answer(form(turn({"text": "Hi."})))["output.value"] == "Hi."


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_a_message_costs_itself(name):
    """Whatever a message holds, the words of the others are recorded."""
    value = HOSTILE[name]()
    odd = [
        {"serverContent": value, "toolCall": value, "usageMetadata": value},
        content(modelTurn=value, inputTranscription=value, outputTranscription={"text": value}, turnComplete=value),
        content(modelTurn={"role": value, "parts": [value, {"inlineData": value}]}, groundingMetadata=value),
        {"toolCall": {"functionCalls": [value]}, "setupComplete": {"sessionId": value}},
    ]
    found, _ = streamed([SPOKEN[0], *odd, turn({"text": "Hi."})])
    assert found["output.value"].endswith("Hi.")
