"""What a provider ran for an answer, found and billed, beside the message: Groq, xAI, Perplexity, OpenRouter."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from strategies import HOSTILE

from llmtrace.recorders import llm_accumulator, llm_answer

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OUT = "llm.output_messages.0.message"
FOUND = {"title": "Weather", "url": "https://example.org/oslo", "content": "Rain, 4 degrees.", "score": 0.93}
SEARCH = {
    "index": 0,
    "type": "search",
    "arguments": '{"query": "weather Oslo"}',
    "output": "Title: Weather\nURL: https://example.org/oslo\nContent: Rain, 4 degrees.",
    "search_results": {"results": [FOUND], "images": []},
}
CODE = {
    "index": 1,
    "type": "python",
    "arguments": '{"code": "print(4 * 2)"}',
    "output": None,
    "code_results": [{"text": "8\n", "png": "iVBORw0KGgo="}],
}
MESSAGE = {
    "role": "assistant",
    "content": "It rains.",
    "reasoning": "I search, then compute.",
    "executed_tools": [SEARCH, CODE],
}
USAGE = {"queue_time": 0.02, "prompt_tokens": 300, "completion_tokens": 20, "total_tokens": 320, "total_time": 0.5}
NAMED = {"id": "chatcmpl-1", "created": 1, "model": "groq/compound", "system_fingerprint": "fp_1"}


def whole(message: dict[str, Any] = MESSAGE) -> dict[str, Any]:
    """A chat completion of Groq's."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    breakdown = {"models": [{"model": "llama-3.3-70b-versatile", "usage": USAGE}]}
    named = {**NAMED, "object": "chat.completion", "x_groq": {"id": "req_1"}}
    return {**named, "choices": [choice], "usage": USAGE, "usage_breakdown": breakdown}


def chunks() -> list[dict[str, Any]]:
    """The same, streamed: a tool comes when it is called, and again with what it gave."""
    called = [{"index": tool["index"], "type": tool["type"], "arguments": tool["arguments"]} for tool in (SEARCH, CODE)]
    deltas = [
        {"role": "assistant", "content": None, "reasoning": "I search, "},
        {"executed_tools": [called[0]]},
        {"executed_tools": [SEARCH]},
        {"reasoning": "then compute."},
        {"executed_tools": [called[1]]},
        {"executed_tools": [CODE]},
        {"content": "It "},
        {"content": "rains."},
    ]
    named = {**NAMED, "object": "chat.completion.chunk"}
    made = [{**named, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_groq": {"id": "req_1", "usage": USAGE}}
    return [*made, {**named, **last}]


def streamed(pieces: list[Any]) -> dict[str, Any]:
    """What a stream says."""
    accumulator = llm_accumulator(pieces[0])
    for piece in pieces:
        accumulator.add(piece)
    return accumulator.attributes()


@pytest.mark.parametrize("form", [lambda answer: answer, lambda answer: ChatCompletion.construct(**answer)])
def test_what_groq_ran_are_calls_with_their_results(form):
    """Each tool is a call of the message and counted; its result is a part, its picture another; sources are kept."""
    found = llm_answer(form(whole()))
    call = f"{OUT}.tool_calls.1.tool_call.function"
    assert found[f"{OUT}.tool_calls.0.tool_call.function.name"] == "search"
    assert found[f"{OUT}.tool_calls.0.tool_call.function.arguments"] == SEARCH["arguments"]
    assert (found[f"{call}.name"], found[f"{call}.arguments"]) == ("python", CODE["arguments"])
    parts = [found.get(f"{OUT}.contents.{place}.message_content.type") for place in range(5)]
    assert parts == ["reasoning", "search_output", "python_output", "image", None]
    assert found[f"{OUT}.contents.1.message_content.text"] == SEARCH["output"]
    assert found[f"{OUT}.contents.3.message_content.image.image.url"] == "data:image/png;base64,iVBORw0KGgo="
    assert found[f"{OUT}.content"] == found["output.value"] == "It rains."
    assert json.loads(found["llmtrace.llm.citations"]) == [FOUND]
    assert (found["llmtrace.llm.server_tools.search"], found["llmtrace.llm.server_tools.python"]) == (1, 1)
    assert (found["llm.token_count.total"], found["llm.finish_reason"]) == (320, "stop")


@pytest.mark.parametrize("form", [lambda chunk: chunk, lambda chunk: ChatCompletionChunk.construct(**chunk)])
def test_streamed_it_is_what_the_whole_answer_says(form):
    """A tool that comes twice is one call; the usage is the one in `x_groq`."""
    assert streamed([form(chunk) for chunk in chunks()]) == llm_answer(whole())


def test_tools_of_the_app_come_before_those_of_groq():
    """A message may have both."""
    call = {"id": "call_1", "type": "function", "function": {"name": "book", "arguments": "{}"}}
    found = llm_answer(whole({**MESSAGE, "tool_calls": [call]}))
    names = [found[f"{OUT}.tool_calls.{place}.tool_call.function.name"] for place in range(3)]
    assert names == ["book", "search", "python"]


XAI_USAGE = {
    "prompt_tokens": 199,
    "completion_tokens": 1,
    "total_tokens": 200,
    "prompt_tokens_details": {"text_tokens": 199, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 163},
    "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    "num_sources_used": 2,
    "cost_in_usd_ticks": 37_756_000,
    "server_side_tool_usage_details": {"web_search_calls": 3, "x_search_calls": 0},
}
PERPLEXITY_USAGE = {
    "prompt_tokens": 9,
    "completion_tokens": 300,
    "total_tokens": 309,
    "search_context_size": "low",
    "citation_tokens": 20_016,
    "num_search_queries": 18,
    "reasoning_tokens": 193,
    "cost": {"input_tokens_cost": 0.00002, "output_tokens_cost": 0.005, "request_cost": 0.09, "total_cost": 0.81},
}
RESULTS = [{"title": "Oslo", "url": "https://example.org/1", "date": "2026-01-01", "snippet": "Rain."}]


def beside(usage: dict[str, Any], **extra: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An answer with something beside the choices, whole and streamed."""
    said = {"role": "assistant", "content": "Rain [1]."}
    answer = {"id": "a", "model": "m", "choices": [{"index": 0, "message": said, "finish_reason": "stop"}]}
    chunk = {"id": "a", "model": "m", "choices": [{"index": 0, "delta": said, "finish_reason": "stop"}]}
    return {**answer, "usage": usage, **extra}, [{**chunk, "usage": usage, **extra}]


def test_what_xai_used_and_billed():
    """The cost in ticks is one in dollars; tools that it ran are counted; addresses are what it refers to."""
    answer, pieces = beside(XAI_USAGE, citations=["https://x.com/1"])
    found = llm_answer(answer)
    assert found["llm.cost.total"] == pytest.approx(0.0037756)
    assert found["llmtrace.llm.server_tools.web_search_calls"] == 3
    assert "llmtrace.llm.server_tools.x_search_calls" not in found
    assert json.loads(found["llmtrace.llm.citations"]) == ["https://x.com/1"]
    assert found["llm.token_count.prompt_details.cache_read"] == 163
    assert streamed(pieces) == found
    item = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Rain."}]}
    usage = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost_in_usd_ticks": 10_000_000_000}
    assert llm_answer({"object": "response", "output": [item], "usage": usage})["llm.cost.total"] == 1.0


def test_what_perplexity_searched_and_billed():
    """Results with their titles are kept, and addresses that none of them has; searches and thoughts are counted."""
    urls = ["https://example.org/1", "https://example.org/2"]
    answer, pieces = beside(PERPLEXITY_USAGE, citations=urls, search_results=RESULTS)
    found = llm_answer(answer)
    assert json.loads(found["llmtrace.llm.citations"]) == [*RESULTS, urls[1]]
    assert found["llm.cost.total"] == 0.81
    assert found["llm.token_count.completion_details.reasoning"] == 193
    assert found["llmtrace.llm.server_tools.search_queries"] == 18
    assert streamed(pieces) == found


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_beside_the_message_costs_itself(name):
    """Whatever was run, found or billed, the words are recorded."""
    value = HOSTILE[name]()
    tools = [value, {"index": value, "type": "search", "arguments": value, "output": value, "search_results": value}]
    usage = {"cost": value, "cost_in_usd_ticks": value, "num_search_queries": value, "server_tool_use": value}
    answer, pieces = beside(usage, citations=[value], search_results=[{"url": value}, value])
    for ran in (value, tools):
        answer["choices"][0]["message"]["executed_tools"] = ran
        pieces[0]["choices"][0]["delta"]["executed_tools"] = ran
        assert llm_answer(answer)["output.value"] == "Rain [1]."
        assert streamed(pieces)["output.value"] == "Rain [1]."
