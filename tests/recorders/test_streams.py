"""A streamed answer is recorded as the whole one is, however it was cut; and no chunk at all makes recording raise."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from anthropic import _models as anthropic_models
from anthropic.types import RawMessageStreamEvent
from google.genai import types as google_types
from hypothesis import given, settings
from hypothesis import strategies as st
from ollama import ChatResponse, GenerateResponse
from openai import _models as openai_models
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseStreamEvent
from provider_payloads import (
    CHAT_USAGE,
    FUNCTION_CALL,
    REDACTED,
    SEARCH,
    SEARCH_RESULT,
    THINKING,
    THOUGHT,
    TOOL_USE,
    block,
    chat,
    choice,
    chunk,
    completion,
    cut,
    delta,
    message,
    message_events,
    piece,
    response,
    response_events,
    said,
)
from strategies import HOSTILE, recipes

from llmtrace.recorders import SHAPES, llm_accumulator, llm_answer
from llmtrace.recorders.items import DocumentAccumulator, ItemAccumulator
from llmtrace.recorders.text import LONGEST, MOST_PARTS

words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
sizes = st.integers(1, 7)
arguments = st.dictionaries(
    words, st.one_of(words, st.integers(0, 9), st.none(), st.lists(words, max_size=2)), max_size=3
)

Chunks = list[dict[str, Any]]


def recorded(chunks: Iterable[Any]) -> dict[str, Any]:
    """What is recorded of a stream."""
    accumulator = None
    for item in chunks:
        accumulator = accumulator or llm_accumulator(item)
        accumulator.add(item)
    return accumulator.attributes() if accumulator else {}


def objects(build: Callable[[Any], Any], chunks: Chunks) -> list[Any]:
    """The chunks as the SDK makes them; it keeps pings to itself."""
    return [build(item) for item in copy.deepcopy(chunks) if item.get("type") != "ping"]


def by_openai(kind: Any) -> Callable[[Any], Any]:
    """As OpenAI's SDK builds an object from a response: nothing is validated."""
    return lambda value: openai_models.construct_type(type_=kind, value=value)


def by_anthropic(value: Any) -> Any:
    """As Anthropic's SDK builds an event."""
    return anthropic_models.construct_type(type_=RawMessageStreamEvent, value=value)


# Whole answers and their chunks, made by Hypothesis.


@st.composite
def chats(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Choices with words, a refusal, reasoning, an old function call or tool calls; their pieces shuffled together."""
    choices, queues = [], []
    for index in range(draw(st.integers(1, 3))):
        fields: dict[str, Any] = {name: draw(words) for name in draw(st.sets(st.sampled_from(_TEXTS)))}
        count = draw(st.integers(0, 3))
        calls = [(f"call_{index}_{number}", draw(words), json.dumps(draw(arguments))) for number in range(count)]
        whole = [{"id": i, "type": "function", "function": {"name": n, "arguments": a}} for i, n, a in calls]
        reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
        choices.append(choice(index, reason, **{"content": None, **fields}, tool_calls=whole or None))
        pieces = [delta(index, role="assistant", content=None)]
        pieces += [delta(index, **{name: text}) for name in fields for text in cut(fields[name], draw(sizes))]
        for number, (identity, name, given_arguments) in enumerate(calls):
            pieces.append(delta(index, tool_calls=[piece(number, identity, name=name, arguments="")]))
            pieces += [delta(index, tool_calls=[piece(number, arguments=a)]) for a in cut(given_arguments, draw(sizes))]
        queues.append([*pieces, delta(index, reason)])
    chunks = [chunk(part) for part in draw(merged(queues))]
    return chat(*choices), [*chunks, chunk(usage=CHAT_USAGE)]


_TEXTS = ["content", "refusal", "reasoning_content"]


@st.composite
def merged(draw: st.DrawFn, queues: list[list[Any]]) -> list[Any]:
    """Several sequences as one, each in its own order."""
    left = [list(queue) for queue in queues]
    result = []
    while any(left):
        result.append(draw(st.sampled_from([queue for queue in left if queue])).pop(0))
    return result


@st.composite
def responses(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Items of several types."""
    items: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 4))):
        called = {**FUNCTION_CALL, "id": f"fc_{number}", "arguments": json.dumps(draw(arguments))}
        custom = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": draw(words)}
        refused = {**said(), "content": [{"type": "refusal", "refusal": draw(words)}]}
        spoken = said(*draw(st.lists(words, min_size=1, max_size=3)))
        thought = {**THOUGHT, "summary": [{"type": "summary_text", "text": draw(words)}]}
        item = draw(st.sampled_from([called, custom, refused, spoken, thought]))
        items.append({**item, "id": f"item_{number}"})
    whole = response(*items)
    return whole, response_events(whole, draw(sizes))


@st.composite
def messages(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Blocks of several types."""
    blocks = st.one_of(
        words.map(block),
        words.map(lambda text: {**THINKING, "thinking": text}),
        arguments.map(lambda value: {**TOOL_USE, "input": value}),
        st.sampled_from([REDACTED, SEARCH, SEARCH_RESULT]),
    )
    reason = draw(st.sampled_from(["end_turn", "tool_use", "max_tokens"]))
    whole = message(*draw(st.lists(blocks, max_size=5)), reason=reason)
    return whole, message_events(whole, draw(sizes))


@st.composite
def contents(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Google's parts: texts, thoughts, calls, an image, in one or two candidates."""
    candidates, queues = [], []
    for index in range(draw(st.integers(1, 2))):
        parts: list[dict[str, Any]] = []
        for _ in range(draw(st.integers(0, 4))):
            call = {"functionCall": {"id": "f", "name": draw(words), "args": draw(arguments)}}
            image = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
            text, thought = {"text": draw(words)}, {"text": draw(words), "thought": True}
            parts.append(draw(st.sampled_from([call, image, text, thought])))
        parts = _joined(parts)
        end = {"index": index, "content": {"role": "model", "parts": []}, "finishReason": "STOP"}
        candidates.append({**end, "content": {"role": "model", "parts": parts}})
        size = draw(sizes)
        queues.append(
            [{**end, "finishReason": None, "content": {"role": "model", "parts": [p]}} for p in _cut(parts, size)]
        )
        queues[-1].append(end)
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 14}
    whole = {"candidates": candidates, "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}
    chunks = [{"candidates": [part], "modelVersion": "gemini-2.5-flash"} for part in draw(merged(queues))]
    return whole, [*chunks, {"candidates": [], "usageMetadata": usage}]


def _joined(parts: Chunks) -> Chunks:
    """Without neighbours of one kind, which a stream cannot tell from one text."""
    kept: Chunks = []
    for part in parts:
        if not (kept and "text" in part and "text" in kept[-1] and part.get("thought") == kept[-1].get("thought")):
            kept.append(part)
    return kept


def _cut(parts: Chunks, size: int) -> Chunks:
    return [
        cutting for p in parts for cutting in ([{**p, "text": t} for t in cut(p["text"], size)] if "text" in p else [p])
    ]


OLLAMA_END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 5_000_000_000,
    "load_duration": 1_000_000_000,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 500_000_000,
    "eval_count": 290,
    "eval_duration": 3_000_000_000,
}


@st.composite
def ollama_chats(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Words, thoughts and tool calls."""
    base = {"model": "qwen3", "created_at": "2026-11-20T08:00:00Z"}
    spoken, thought = draw(words), draw(words)
    calls = [{"function": {"name": draw(words), "arguments": draw(arguments)}} for _ in range(draw(st.integers(0, 2)))]
    whole = {"role": "assistant", "content": spoken, "thinking": thought, "tool_calls": calls}
    pieces = [{"role": "assistant", "content": "", "thinking": text} for text in cut(thought, draw(sizes))]
    pieces += [{"role": "assistant", "content": text} for text in cut(spoken, draw(sizes))]
    pieces += [{"role": "assistant", "content": "", "tool_calls": [call]} for call in calls]
    end = {**base, "message": {"role": "assistant", "content": ""}, **OLLAMA_END}
    chunks = [{**base, "message": part, "done": False} for part in pieces]
    return {**base, "message": whole, **OLLAMA_END}, [*chunks, end]


@st.composite
def ollama_texts(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Words of `generate`."""
    base = {"model": "qwen3", "created_at": "2026-11-20T08:00:00Z"}
    text = draw(words)
    chunks = [{**base, "response": part, "done": False} for part in cut(text, draw(sizes))]
    return {**base, "response": text, **OLLAMA_END}, [*chunks, {**base, "response": "", **OLLAMA_END}]


@st.composite
def completions(draw: st.DrawFn) -> tuple[dict[str, Any], Chunks]:
    """Words of OpenAI's text completions."""
    text = draw(words)
    chunks = [completion(part, reason=None) for part in cut(text, draw(sizes))]
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    return completion(text, usage=usage), [*chunks, completion(""), completion(usage=usage)]


SHAPES_AND_SDKS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "chat": (chats(), by_openai(ChatCompletionChunk)),
    "responses": (responses(), by_openai(ResponseStreamEvent)),
    "anthropic": (messages(), by_anthropic),
    "google": (contents(), google_types.GenerateContentResponse.model_validate),
    "ollama chat": (ollama_chats(), ChatResponse.model_validate),
    "ollama generate": (ollama_texts(), GenerateResponse.model_validate),
    "completions": (completions(), by_openai(Completion)),
}
NAMES = pytest.mark.parametrize("name", SHAPES_AND_SDKS)


@NAMES
@given(data=st.data())
def test_a_stream_is_recorded_as_the_whole_answer(name, data):
    """Cut anywhere, with the pieces of several choices mixed: the attributes are those of the whole answer."""
    whole, chunks = data.draw(SHAPES_AND_SDKS[name][0])
    assert recorded(chunks) == llm_answer(whole)


@NAMES
@settings(max_examples=40)
@given(data=st.data())
def test_the_sdks_chunks_are_recorded_as_their_dicts(name, data):
    """What the provider's SDK makes of the chunks gives the same attributes, but for the order of keys in JSON."""
    strategy, build = SHAPES_AND_SDKS[name]
    whole, chunks = data.draw(strategy)
    assert parsed(recorded(objects(build, chunks))) == parsed(llm_answer(whole))


def parsed(attributes: dict[str, Any]) -> dict[str, Any]:
    """With blocks that are kept as JSON as what they say."""
    blocks = {
        key: value for key, value in attributes.items() if str(value).startswith("{") and '"tool_use_id"' in value
    }
    return {**attributes, **{key: json.loads(value) for key, value in blocks.items()}}


@given(responses())
def test_a_response_whose_last_event_never_came_keeps_its_items(drawn):
    """Model, messages and tool calls are put together from the pieces."""
    whole, chunks = drawn
    expected = {key: value for key, value in llm_answer(whole).items() if "token_count" not in key}
    expected.pop("llm.finish_reason")
    assert recorded(chunks[:-1]) == expected


@given(responses())
def test_a_response_whose_items_were_never_closed_keeps_its_words(drawn):
    """Where the stream broke off in the middle, what arrived is there."""
    whole, chunks = drawn
    pieces = [event for event in chunks if event["type"].endswith((".created", ".added", ".delta"))]
    expected = {key: value for key, value in llm_answer(whole).items() if key.startswith("llm.output_messages")}
    found = {key: value for key, value in recorded(pieces).items() if key.startswith("llm.output_messages")}
    encrypted = {key for key in expected if key.endswith("encrypted_content")}
    assert found == {key: value for key, value in expected.items() if key not in encrypted}


# Nothing raises, and nothing grows without bound.


def flat(attributes: dict[str, Any]) -> bool:
    """Whether a span can carry these attributes."""
    return all(
        type(value) in (str, bool, int, float) or (type(value) is tuple and all(type(item) is str for item in value))
        for value in attributes.values()
    )


def accumulators() -> list[Any]:
    """One of each kind."""
    return [*(shape.accumulator() for shape in SHAPES), llm_accumulator({}), ItemAccumulator(), DocumentAccumulator()]


@settings(max_examples=40)
@given(st.lists(recipes, max_size=4))
def test_no_chunk_makes_recording_raise(made):
    """Any values at all, given to the accumulator of any shape, make flat attributes or none."""
    for accumulator in accumulators():
        for recipe in made:
            accumulator.add(recipe.make())
        assert flat(accumulator.attributes())


SAMPLES: dict[str, Chunks] = {
    "chat": [chunk(delta(role="assistant", content="a", tool_calls=[piece(0, "c", name="f", arguments="{}")]))],
    "responses": response_events(response(THOUGHT, FUNCTION_CALL, said("a"))),
    "anthropic": message_events(message(THINKING, TOOL_USE, SEARCH_RESULT, block("a"))),
    "google": [
        {
            "candidates": [
                {"index": 0, "content": {"role": "model", "parts": [{"text": "a", "thoughtSignature": "x"}]}}
            ],
            "usageMetadata": {"promptTokenCount": 1, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1}]},
        },
        {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {}}}, {"inlineData": {}}]}}]},
    ],
    "ollama": [
        {"model": "m", "message": {"content": "a", "tool_calls": [{"function": {}}], "images": ["x"]}, **OLLAMA_END}
    ],
    "completions": [completion("a")],
    "gemini, cited": [
        {
            "candidates": [
                {"content": {"parts": [{"text": "a"}]}, "groundingMetadata": {"groundingChunks": [{"web": {}}]}}
            ]
        }
    ],
    "langchain": [
        {
            "type": "AIMessageChunk",
            "content": "a",
            "response_metadata": {},
            "usage_metadata": {"input_tokens": 1, "input_token_details": {"cache_read": 1}},
        }
    ],
    "interactions": [
        {"event_type": "interaction.created", "interaction": {"id": "i", "usage": {"total_input_tokens": 1}}},
        {"event_type": "step.start", "index": 0, "step": {"type": "thought"}},
        {
            "event_type": "step.delta",
            "index": 0,
            "delta": {"type": "thought_summary", "content": {"type": "text", "text": "a"}},
        },
        {"event_type": "step.delta", "index": 1, "delta": {"type": "arguments_delta", "arguments": "{}"}},
        {"event_type": "step.delta", "index": 2, "delta": {"type": "image", "mime_type": "image/png", "data": "QQ=="}},
    ],
    "conversations": [
        {"event": "message.output.delta", "data": {"type": "message.output.delta", "content": "a", "model": "m"}},
        {"event": "x", "data": {"type": "function.call.delta", "name": "f", "tool_call_id": "c", "arguments": "{}"}},
    ],
    "images": [{"type": "image_generation.completed", "b64_json": "QQ==", "output_format": "png", "usage": {}}],
}


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to each value inside a payload."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, item in inner for place in places(item, (*way, key)))]


def replaced(payload: Any, way: tuple[Any, ...], value: Any) -> Any:
    """The payload with another value in one place."""
    if not way:
        return value
    changed = copy.copy(payload)
    changed[way[0]] = replaced(payload[way[0]], way[1:], value)
    return changed


RAISING = [name for name in HOSTILE if "rais" in name or name in ("mock", "dead weak proxy", "2**70", "nan")]
"""The quick ones: each is put in each place."""


@pytest.mark.parametrize("hostile", RAISING)
@pytest.mark.parametrize("name", SAMPLES)
def test_a_hostile_value_anywhere_in_a_chunk_is_recorded_without_a_word(name, hostile):
    """A value whose every method raises, in any place of any chunk: nothing is raised, the record is flat."""
    chunks = SAMPLES[name]
    for number, item in enumerate(chunks):
        for way in places(item):
            # Sound chunks follow: what an accumulator kept of the hostile one is looked at again.
            stream = [*chunks[:number], replaced(item, way, HOSTILE[hostile]()), *chunks[number + 1 :], *chunks]
            try:
                attributes = recorded(stream)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
                pytest.fail(f"{number}, {way}: raised {type(error).__name__}", pytrace=False)
            assert flat(attributes), (number, way)


ENDLESS = {
    "chat": lambda number: chunk(delta(number, content="x" * 4_096)),
    "chat calls": lambda number: chunk(delta(tool_calls=[piece(number, f"c{number}", name="f", arguments="{}")])),
    "responses": lambda number: {
        "type": "response.output_text.delta",
        "output_index": number,
        "item_id": "i",
        "delta": "x" * 4_096,
    },
    "anthropic": lambda number: {
        "type": "content_block_delta",
        "index": number,
        "delta": {"type": "text_delta", "text": "x" * 4_096},
    },
    "google": lambda number: {
        "candidates": [{"index": number, "content": {"parts": [{"text": "x" * 4_096}, {"inlineData": {}}]}}]
    },
    "ollama": lambda _: {"message": {"content": "x" * 4_096, "images": ["a.png"]}, "done": False},
    "completions": lambda number: chat({"index": number, "text": "x" * 4_096}),
    "texts": lambda _: "x" * 4_096,
}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_stream_is_kept_within_bounds(name):
    """Of a stream without end about a million characters and a thousand parts are kept."""
    attributes = recorded(ENDLESS[name](number) for number in range(3 * MOST_PARTS))
    assert sum(len(value) for value in attributes.values() if isinstance(value, str)) < 2.5 * LONGEST
    assert len(attributes) < 8 * MOST_PARTS


@pytest.mark.parametrize("prelude", [[{}], [None, {"type": "keep-alive"}], [b"", {}]])
def test_a_stream_is_recognised_even_if_it_begins_with_something_else(prelude):
    """Chunks that say nothing before the first real one cost nothing."""
    chunks = [chunk(delta(role="assistant", content="Pa")), chunk(delta(content="ris."))]
    assert recorded([*prelude, *chunks]) == recorded(chunks)


def test_texts_are_the_answer_of_a_stream_of_texts():
    """A stream of bare texts is the assistant's message."""
    assert recorded(["Pa", "ris."])["llm.output_messages.0.message.content"] == "Paris."


EVENTS = [
    chunk(delta(role="assistant", content="Pa")),
    chunk(delta(content="ris, \u2026")),
    chunk(delta(content="{a}")),
]
RAW = b"".join(b"data: " + json.dumps(event).encode() + b"\r\n\r\n" for event in EVENTS) + b"data: [DONE]\n\n"


@dataclass
class Event:
    """An event as httpx-sse and others parse it: its data is still a text."""

    data: str
    event: str = "message"


@pytest.mark.parametrize("comment", [b"", b": KEEP ALIVE\n\n", b"event: chunk\n"])
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("size", [9, 50, 2_000, 0, -1])
def test_a_raw_stream_is_recorded_as_the_parsed_one(size, text, comment):
    """Server-sent events read as bytes or text, in pieces of any size or in lines with or without their ends."""
    raw = comment + RAW
    pieces = (
        raw.splitlines(keepends=size == 0) if size <= 0 else [raw[at : at + size] for at in range(0, len(raw), size)]
    )
    assert recorded([piece.decode() for piece in pieces] if text else pieces) == recorded(EVENTS)


@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_of_json_are_recorded_as_the_parsed_stream(end):
    """What Ollama sends, line by line."""
    parts = [{"model": "m", "message": {"role": "assistant", "content": word}, "done": False} for word in ("Pa", "ris")]
    parts.append({"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "eval_count": 2})
    assert recorded([json.dumps(part) + end for part in parts]) == recorded(parts)
    assert recorded(parts)["llm.token_count.completion"] == 2


def test_events_whose_data_is_still_a_text_are_recorded_as_the_parsed_stream():
    """What httpx-sse gives."""
    assert recorded([*(Event(json.dumps(event)) for event in EVENTS), Event("[DONE]")]) == recorded(EVENTS)


@pytest.mark.parametrize("texts", [["data: {", "see below}"], ['{"a": 1}'], ["event: party\n", "at 8"], ["", "data"]])
def test_a_text_that_looks_like_a_raw_stream_stays_the_text(texts):
    """What never turns out to be an answer is what the model said."""
    assert recorded(texts)["llm.output_messages.0.message.content"] == "".join(texts)
