"""Streams of OpenAI-compatible servers, with the deviations that are seen in the wild."""

from __future__ import annotations

import json
from typing import Any

import pytest
from provider_payloads import CHAT_USAGE, chat, choice, chunk, delta, piece

from llmtrace.recorders import llm_accumulator, llm_answer, openai_chat

OUT = "llm.output_messages.0.message"


def recorded(*chunks: dict[str, Any]) -> dict[str, Any]:
    """What is recorded of a stream."""
    accumulator = llm_accumulator(chunks[0])
    for item in chunks:
        accumulator.add(item)
    return accumulator.attributes()


def calls(attributes: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Id, name and arguments of each recorded tool call."""
    found = []
    while any(key.startswith(f"{OUT}.tool_calls.{len(found)}.") for key in attributes):
        base = f"{OUT}.tool_calls.{len(found)}.tool_call"
        names = ("id", "function.name", "function.arguments")
        found.append(tuple(attributes.get(f"{base}.{name}") for name in names))
    return found


PARIS, ROME = '{"city": "Paris"}', '{"city": "Rome"}'
BOTH = [("c1", "weather", PARIS), ("c2", "weather", ROME)]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [[piece(0, "c1", name="weather", arguments=PARIS), piece(1, "c2", name="weather", arguments=ROME)]],
            id="at once",
        ),
        pytest.param(
            [[piece(1, "c2", name="weather", arguments=ROME)], [piece(0, "c1", name="weather", arguments=PARIS)]],
            id="out of order",
        ),
        pytest.param(
            [[piece(0, "c1", name="weather", arguments=PARIS)], [piece(0, "c2", name="weather", arguments=ROME)]],
            id="one index for two ids, as Google",
        ),
        pytest.param(
            [
                [piece(0, "c1", name="weather", arguments='{"city"')],
                [piece(0, "c1", name="weather", arguments=': "Paris"}')],
                [piece(1, "c2", name="weather", arguments='{"city"')],
                [piece(1, "c2", name="weather", arguments=': "Rome"}')],
            ],
            id="ids and names in each piece",
        ),
        pytest.param(
            [
                [piece(None, "c1", name="weather", arguments='{"city"')],
                [piece(None, "c1", arguments=': "Paris"}')],
                [piece(None, "c2", name="weather", arguments=ROME)],
            ],
            id="no index, an id in each piece",
        ),
        pytest.param(
            [
                [piece(None, "c1", name="weather", arguments='{"city"')],
                [piece(None, arguments=': "Paris"}')],
                [piece(None, "c2", name="weather", arguments=ROME)],
            ],
            id="no index, an id in the first piece",
        ),
        pytest.param(
            [[piece(None, "c1", name="weather", arguments=PARIS), piece(None, "c2", name="weather", arguments=ROME)]],
            id="no index, all at once",
        ),
    ],
)
def test_the_pieces_of_tool_calls_find_together(pieces):
    """By id, index or place, whichever the server sends: two calls with their own arguments, in their order."""
    assert calls(recorded(*(chunk(delta(tool_calls=part)) for part in pieces))) == BOTH


def test_calls_without_index_and_id_are_told_apart_by_their_names():
    """A piece that names a function after complete arguments begins another call."""
    parts = [[piece(None, name="weather", arguments=PARIS)], [piece(None, name="weather", arguments=ROME)]]
    assert calls(recorded(*(chunk(delta(tool_calls=part)) for part in parts))) == [
        (None, "weather", PARIS),
        (None, "weather", ROME),
    ]


def test_arguments_may_be_an_object():
    """Arguments that a server sends unserialised become JSON."""
    call: dict[str, Any] = {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": {"city": "Paris"}}}
    assert calls(recorded(chunk(delta(tool_calls=[call])))) == [("c1", "weather", '{"city":"Paris"}')]


def test_a_custom_tool_is_a_call_with_its_input():
    """The free text of a custom tool is its argument."""
    call: dict[str, Any] = {"index": 0, "id": "c1", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    assert calls(recorded(chunk(delta(tool_calls=[call])))) == [("c1", "sql", "select 1")]


def test_the_last_usage_and_the_last_finish_reason_count():
    """Usage in every chunk and two finish reasons: those that came last."""
    early = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    first = chunk(delta(content="a", reason="length"), usage=early)
    attributes = recorded(first, chunk(delta(content="b")), chunk(delta(reason="stop"), usage=CHAT_USAGE))
    assert attributes["llm.token_count.total"] == 2306
    assert attributes["llm.finish_reason"] == "stop"
    assert attributes[f"{OUT}.content"] == "ab"


def test_the_cache_hits_of_deepseek_are_cached_tokens():
    """DeepSeek's own field is the same count."""
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, "prompt_cache_hit_tokens": 8}
    assert recorded(chunk(delta(content="a"), usage=usage))["llm.token_count.prompt_details.cache_read"] == 8


def test_reasoning_comes_before_the_words():
    """`reasoning_content` in pieces is a part of type reasoning, beside the content."""
    attributes = recorded(
        chunk(delta(role="assistant", reasoning_content="Fra")),
        chunk(delta(reasoning_content="nce")),
        chunk(delta(content="Paris.")),
    )
    assert attributes[f"{OUT}.contents.0.message_content.type"] == "reasoning"
    assert attributes[f"{OUT}.contents.0.message_content.text"] == "France"
    assert attributes[f"{OUT}.content"] == attributes["output.value"] == "Paris."


def test_content_may_come_in_parts():
    """Servers that stream a list of parts lose no word."""
    first = chunk(delta(content=[{"type": "text", "text": "Pa"}]))
    assert recorded(first, chunk(delta(content="ris.")))[f"{OUT}.content"] == "Paris."


def test_what_is_said_aloud_is_recorded_as_its_transcript():
    """The pieces of a transcript are the output; the sound is not kept."""
    first = chunk(delta(audio={"id": "a1", "transcript": "Pa"}))
    attributes = recorded(first, chunk(delta(audio={"data": "UklG", "transcript": "ris."})))
    assert attributes[f"{OUT}.contents.0.message_content.audio.audio.transcript"] == "Paris."
    assert attributes["output.value"] == "Paris."
    assert not any("UklG" in str(value) for value in attributes.values())


def test_only_chunks_with_a_piece_of_the_answer_count_as_tokens():
    """The first token is the first chunk with words, reasoning or a call: not the role, not the usage."""
    accumulator = llm_accumulator(chunk(delta(role="assistant", content="")))
    assert not accumulator.add(chunk(delta(role="assistant", content="")))
    assert accumulator.add(chunk(delta(content="a")))
    assert accumulator.add(chunk(delta(reasoning="a")))
    assert accumulator.add(chunk(delta(tool_calls=[piece(0, "c1", name="weather", arguments="")])))
    assert not accumulator.add(chunk(usage=CHAT_USAGE))


def test_what_the_app_does_to_a_chunk_afterwards_does_not_change_the_record():
    """Texts and calls are taken when the chunk comes."""
    first = chunk(delta(content="Paris.", tool_calls=[piece(0, "c1", name="weather", arguments=PARIS)]))
    accumulator = llm_accumulator(first)
    accumulator.add(first)
    first["choices"].clear()
    attributes = accumulator.attributes()
    assert attributes[f"{OUT}.content"] == "Paris."
    assert calls(attributes) == BOTH[:1]


def cited(number: int) -> dict[str, Any]:
    """What a web search adds to the words."""
    place = {"start_index": number, "end_index": number + 9, "title": "T", "url": f"https://example.org/{number}"}
    return {"type": "url_citation", "url_citation": place}


def test_annotations_are_kept_as_of_a_whole_answer():
    """In one chunk or in several, also where a server repeats them; changed later, they stay what they were."""
    first = cited(1)
    attributes = recorded(
        chunk(delta(role="assistant", content="See")),
        chunk(delta(content=" there", annotations=[first])),
        chunk(delta(annotations=[first, cited(2)])),
        chunk(delta(annotations=None)),
        chunk(delta(annotations=[])),
    )
    first.clear()
    message = {"role": "assistant", "content": "See there", "annotations": [cited(1), cited(2)]}
    whole = openai_chat.attributes({"model": "m", "choices": [{"index": 0, "message": message}]})
    assert attributes["llmtrace.llm.citations"] == whole["llmtrace.llm.citations"]
    assert json.loads(attributes["llmtrace.llm.citations"]) == [cited(1), cited(2)]
    assert attributes[f"{OUT}.content"] == "See there"


def test_annotations_without_an_end_are_bounded():
    """As everything else of a stream is."""
    attributes = recorded(*(chunk(delta(annotations=[cited(number)])) for number in range(3_000)))
    assert len(json.loads(attributes["llmtrace.llm.citations"])) <= 1_024


def test_images_that_a_model_paints_are_kept_as_of_a_whole_answer():
    """OpenRouter sends an image as a piece of its own; it is a part of the message, and of the answer."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    chunks = [chunk(delta(role="assistant", content="")), chunk(delta(images=[image]))]
    accumulator = llm_accumulator(chunks[0])
    assert [accumulator.add(item) for item in chunks] == [False, True]
    whole = llm_answer(chat(choice(content="", images=[image])))
    found = accumulator.attributes()
    images = {key: value for key, value in found.items() if "message_content" in key}
    assert images == {key: value for key, value in whole.items() if "message_content" in key}
    assert "AAAA" in str(images)


def test_images_without_an_end_are_bounded():
    """However many images a stream brings, what is kept of it stays within the room of one answer."""
    image = {"image_url": {"url": "data:image/png;base64," + "A" * 300_000}}
    accumulator = llm_accumulator(chunk(delta(images=[image])))
    for _ in range(100):
        accumulator.add(chunk(delta(images=[image])))
    kept = sum(len(value) for value in accumulator.attributes().values() if type(value) is str)
    assert 300_000 < kept < 3_000_000


def test_thoughts_may_be_a_summary_in_a_part_of_the_content():
    """Databricks answers with a reasoning part that has a summary, whole and in pieces."""
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "thought", "signature": "s"}]}
    whole = llm_answer(chat(choice(content=[thought, {"type": "text", "text": "Hi"}])))
    streamed = recorded(chunk(delta(content=[thought])), chunk(delta(content="Hi")))
    for found in (whole, streamed):
        assert found["llm.output_messages.0.message.contents.0.message_content.type"] == "reasoning"
        assert found["llm.output_messages.0.message.contents.0.message_content.text"] == "thought"
        assert found["output.value"] == "Hi"


def test_a_tool_call_may_stand_alone():
    """Hugging Face's server once sent one call in place of a list."""
    first = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}
    rest = {"index": 0, "function": {"name": None, "arguments": "}"}}
    found = recorded(chunk(delta(tool_calls=first)), chunk(delta(tool_calls=rest)))
    assert found["llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments"] == "{}"
