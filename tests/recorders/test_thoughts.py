"""What a model thought, beside its words or alone: fields, OpenRouter's details, LiteLLM's blocks."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from strategies import HOSTILE

from llmtrace.recorders import llm_accumulator, llm_answer

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OUT = "llm.output_messages.0.message"
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 40,
    "total_tokens": 52,
    "cost": 0.0021,
    "completion_tokens_details": {"reasoning_tokens": 40},
}
SUMMARY = {
    "type": "reasoning.summary",
    "summary": "The numbers add up.",
    "id": "rs_1",
    "format": "openai-responses-v1",
    "index": 0,
}
TEXT = {
    "type": "reasoning.text",
    "text": "Two and two are four.",
    "signature": "EqQBCg==",
    "id": "rt_1",
    "format": "anthropic-claude-v1",
    "index": 1,
}
ENCRYPTED = {
    "type": "reasoning.encrypted",
    "data": "gAAAAABo==",
    "id": "re_1",
    "format": "openai-responses-v1",
    "index": 2,
}
DETAILS = [SUMMARY, TEXT, ENCRYPTED]


def whole(**message: Any) -> dict[str, Any]:
    """A chat completion of OpenRouter's."""
    choice = {
        "index": 0,
        "logprobs": None,
        "finish_reason": "stop",
        "native_finish_reason": "completed",
        "message": {"role": "assistant", "content": None, "refusal": None, **message},
    }
    named = {"id": "gen-1", "object": "chat.completion", "created": 1, "model": "openai/o4", "provider": "OpenAI"}
    return {**named, "choices": [choice], "usage": USAGE}


def chunks(*deltas: dict[str, Any]) -> list[dict[str, Any]]:
    """The same, streamed: a chunk for each delta, then the reason and the usage."""
    named = {"id": "gen-1", "object": "chat.completion.chunk", "created": 1, "model": "openai/o4", "provider": "OpenAI"}
    made = [{**named, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}
    return [*made, {**named, "choices": [last]}, {**named, "choices": [], "usage": USAGE}]


def halves(detail: dict[str, Any]) -> list[dict[str, Any]]:
    """A detail in two pieces, the signature after the words."""
    field = next(name for name in ("text", "summary", "data") if name in detail)
    words, rest = detail[field], {name: value for name, value in detail.items() if name not in (field, "signature")}
    second = {"signature": detail["signature"]} if "signature" in detail else {}
    return [{**rest, field: words[:5]}, {**rest, field: words[5:], **second}]


def streamed(pieces: list[Any]) -> tuple[dict[str, Any], list[bool]]:
    """What a stream says, and which of its chunks brought something of the answer."""
    accumulator = llm_accumulator(pieces[0])
    brought = [accumulator.add(piece) for piece in pieces]
    return accumulator.attributes(), brought


def parts(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of the message."""
    prefix = f"{OUT}.contents."
    made: dict[str, dict[str, Any]] = {}
    for key, value in found.items():
        if key.startswith(prefix):
            index, _, field = key.removeprefix(prefix).partition(".")
            made.setdefault(index, {})[field.removeprefix("message_content.")] = value
    return list(made.values())


EACH = [
    {"type": "reasoning", "text": "The numbers add up."},
    {"type": "reasoning", "text": "Two and two are four.", "signature": "EqQBCg=="},
    {"type": "reasoning", "encrypted_content": "gAAAAABo=="},
]


@pytest.mark.parametrize("form", [lambda answer: answer, lambda answer: ChatCompletion.construct(**answer)])
@pytest.mark.parametrize("content", [None, "", "Four."])
def test_details_alone_are_the_thoughts(form, content):
    """Each detail is a part of its own; what is encrypted is kept as such, and nowhere shown as text."""
    found = llm_answer(form(whole(content=content, reasoning_details=DETAILS)))
    assert parts(found) == EACH
    assert found.get(f"{OUT}.content") == (content or None)
    assert found["llm.token_count.completion_details.reasoning"] == 40
    assert found["llm.cost.total"] == 0.0021
    assert found["llm.finish_reason"] == "stop"


def test_details_beside_the_thoughts_add_what_is_encrypted_and_signed():
    """OpenRouter says the words twice: they are one part, the encrypted detail is another."""
    found = llm_answer(whole(reasoning="Two and two are four.", reasoning_details=[TEXT, ENCRYPTED]))
    assert parts(found) == EACH[1:]


@pytest.mark.parametrize("form", [lambda chunk: chunk, lambda chunk: ChatCompletionChunk.construct(**chunk)])
def test_streamed_details_are_those_of_the_whole_answer(form):
    """Pieces of one kind and place grow together; a piece of words is a token, a piece of data is none."""
    pieces = [
        {"role": "assistant", "content": "", "reasoning_details": [half]} for one in DETAILS for half in halves(one)
    ]
    found, brought = streamed([form(chunk) for chunk in chunks(*pieces)])
    assert found == llm_answer(whole(reasoning_details=DETAILS))
    assert brought == [True] * 4 + [False] * 4


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_a_field_of_thoughts_alone_is_the_message(field):
    """An answer that ran out of tokens while it thought says what it thought, whole and streamed."""
    said = llm_answer(whole(**{field: "Two and two"}))
    found, brought = streamed(chunks({"role": "assistant", "content": None, field: "Two "}, {field: "and two"}))
    assert parts(said) == [{"type": "reasoning", "text": "Two and two"}]
    assert found == said
    assert brought == [True, True, False, False]


def test_details_that_grow_by_themselves_are_not_added_up():
    """MiniMax sends all words so far in each detail."""
    words = "The capital of France is Paris, and has been for long."
    pieces = [{"reasoning_details": [{"type": "reasoning.text", "text": words[:end]}]} for end in (20, 30, len(words))]
    found, _ = streamed(chunks(*pieces))
    assert parts(found) == [{"type": "reasoning", "text": words}]


def test_blocks_of_litellm_keep_signatures_and_what_is_redacted():
    """They stand beside the words of `reasoning_content`."""
    blocks = [
        {"type": "thinking", "thinking": "Two and two are four.", "signature": "EqQBCg=="},
        {"type": "redacted_thinking", "data": "gAAAAABo=="},
    ]
    found = llm_answer(whole(content="Four.", reasoning_content="Two and two are four.", thinking_blocks=blocks))
    assert parts(found) == EACH[1:]
    assert found["output.value"] == "Four."


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_detail_costs_itself(name):
    """Whatever stands among the details, the words are recorded."""
    value = HOSTILE[name]()
    details = [value, {"type": value, "text": value, "data": value, "index": value, "signature": value}]
    found = llm_answer(whole(content="Four.", reasoning_details=details))
    assert found["output.value"] == "Four."
    found, _ = streamed(chunks({"content": "Four.", "reasoning_details": details}, {"reasoning_details": value}))
    assert found["output.value"] == "Four."
