"""Transcriptions of OpenAI's, streamed: what was heard, and for how many tokens."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.audio import TranscriptionTextDeltaEvent, TranscriptionTextDoneEvent
from strategies import HOSTILE

from llmtrace.recorders import llm_accumulator

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

USAGE = {"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18}
DELTAS = [{"type": "transcript.text.delta", "delta": words} for words in ("Hel", "lo.")]
DONE = {
    "type": "transcript.text.done",
    "text": "Hello.",
    "usage": {**USAGE, "input_token_details": {"text_tokens": 0, "audio_tokens": 14}},
}


def streamed(pieces: list[Any]) -> dict[str, Any]:
    """What a stream says."""
    accumulator = llm_accumulator(pieces[0])
    for piece in pieces:
        accumulator.add(piece)
    return accumulator.attributes()


def as_sdk(event: dict[str, Any]) -> Any:
    """As the SDK gives it."""
    kind = TranscriptionTextDoneEvent if event["type"].endswith("done") else TranscriptionTextDeltaEvent
    return kind.model_validate(event)


@pytest.mark.parametrize("form", [lambda event: event, as_sdk])
def test_a_streamed_transcription_is_said_once(form):
    """The last event has all of the words again, and the counts."""
    found = streamed([form(event) for event in (*DELTAS, DONE)])
    assert found["output.value"] == found["llm.output_messages.0.message.content"] == "Hello."
    counts = [found[f"llm.token_count.{name}"] for name in ("prompt", "completion", "total")]
    assert counts == [14, 4, 18]
    assert found["llm.token_count.prompt_details.audio"] == 14
    assert streamed([form(event) for event in DELTAS])["output.value"] == "Hello."


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_an_event_costs_itself(name):
    """The words of the others are recorded."""
    value = HOSTILE[name]()
    odd = [{"type": DELTAS[0]["type"], "delta": value}, {"type": DONE["type"], "text": value, "usage": value}]
    assert streamed([DELTAS[0], *odd, DELTAS[1]])["output.value"].endswith("lo.")
