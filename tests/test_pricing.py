"""What a call cost."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from genai_prices import Usage, calc_price
from hypothesis import given
from hypothesis import strategies as st
from scripts import output_of

import llmtrace
from llmtrace import pricing
from llmtrace.pricing import Tokens, cost
from llmtrace.processors import cost as cost_processor

pytest_plugins = ["core_fixtures"]

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
counts = st.integers(0, 400_000)


@given(
    st.sampled_from(
        ["gpt-4o", "gpt-4o-mini-2024-07-18", "claude-sonnet-4-5", "gemini-2.5-pro", "mistral-large-latest"]
    ),
    counts,
    counts,
    counts,
    counts,
)
def test_it_is_what_the_table_says(model, fresh, read, written, completion):
    """For every usage the cost is the one that genai-prices itself works out: tiers, cache and all."""
    prompt = fresh + read + written
    usage = Usage(input_tokens=prompt, output_tokens=completion, cache_read_tokens=read, cache_write_tokens=written)
    expected = calc_price(usage, model, genai_request_timestamp=NOON)
    found = cost(model, Tokens(prompt, completion, read, written), at=NOON)
    assert found is not None
    assert found == pytest.approx(
        tuple(map(float, (expected.input_price, expected.output_price, expected.total_price))), rel=1e-9
    )


def test_cached_tokens_are_priced_as_cached():
    """A prompt from the cache costs less than a fresh one, and one written to it for an hour more than for minutes."""
    fresh, read = cost("claude-sonnet-4-5", Tokens(1000)), cost("claude-sonnet-4-5", Tokens(1000, cache_read=1000))
    minutes = cost("claude-sonnet-4-5", Tokens(1000, cache_write=1000))
    hour = cost("claude-sonnet-4-5", Tokens(1000, cache_write=1000, cache_write_1h=1000))
    assert read.total == pytest.approx(fresh.total * 0.1)
    assert minutes.total == pytest.approx(fresh.total * 1.25)
    assert hour.total == pytest.approx(fresh.total * 2)


@pytest.mark.parametrize(
    "model",
    [
        "my-own-model",
        "ft:gpt-4o-mini:acme::1",
        "gpt-4o-mini-gguf",
        "llama3.2",
        "deepseek-r1:8b",
        "deepseek-r1",
        "gpt-oss-20b",
        "gpt-oss:20b",
        "qwen3:8b",
        "",
        "claude",
        "x" * 10_000,
    ],
)
def test_an_unknown_model_has_no_cost(model):
    """A model that is not in the table, or that anybody may run under that name, has no cost, not a wrong one."""
    assert cost(model, Tokens(1000, 100)) is None


def test_the_provider_counts():
    """Of a model that many run the provider decides; one that the table does not know has no prices."""
    assert cost("gpt-4o", Tokens(1000), provider="vllm") is None
    assert cost("anthropic.claude-3-5-sonnet-20240620-v1:0", Tokens(1000), provider="aws") is not None
    assert cost("openai/gpt-4o", Tokens(1000), provider="openrouter") is not None


def test_tokens_without_a_price_make_no_cost():
    """Audio tokens of a model whose audio price is not in the table are not priced as text."""
    assert cost("gpt-4o-mini", Tokens(1000, 10)) is not None
    assert cost("gpt-4o-mini", Tokens(1000, 10, prompt_audio=100)) is None


def answer(model: str = "gpt-4o-mini-2024-07-18") -> dict[str, object]:
    """An answer with a usage."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 500}}
    return {"model": model, "choices": [{"message": {"role": "assistant", "content": "x"}}], "usage": usage}


def test_the_span_carries_the_cost(start, sink, strict):
    """Prompt, completion and total stand on the exported span, in dollars."""
    start()
    with llmtrace.llm_span("gpt-4o-mini", "q") as span:
        span.record_output(answer())
    with llmtrace.llm_span("mine", "q") as span:
        span.record_output(answer("mine"))
    with llmtrace.llm_span("gpt-4o-mini", "q", attributes={"llm.cost.total": 7.0}) as span:
        span.record_output(answer())
    assert llmtrace.flush(20)
    priced, unknown, own = sink.wait_for_spans(3)
    assert priced.attributes["llm.cost.prompt"] == pytest.approx(500e-6 * 0.15 + 500e-6 * 0.075)
    assert priced.attributes["llm.cost.completion"] == pytest.approx(100e-6 * 0.6)
    assert priced.attributes["llm.cost.total"] == pytest.approx(0.0001725)
    assert not {key for key in unknown.attributes if key.startswith("llm.cost")}
    assert own.attributes["llm.cost.total"] == 7.0
    assert "llm.cost.prompt" not in own.attributes


def test_without_the_extra_nothing_has_a_cost(monkeypatch):
    """Where genai-prices is not installed there is no step."""
    monkeypatch.setattr(pricing, "find_spec", lambda _: None)
    assert cost_processor.cost_step() == ()


def test_a_table_that_fails_costs_no_span(start, sink, lenient, monkeypatch):
    """An error of the table is said and counted; the span arrives without a cost."""

    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(pricing, "cost", broken)
    start()
    with llmtrace.llm_span("gpt-4o-mini", "q") as span:
        span.record_output(answer())
    assert llmtrace.flush(20)
    assert "llm.cost.total" not in sink.wait_for_spans(1)[0].attributes


def test_the_table_is_not_loaded_with_llmtrace():
    """The table is read on the worker, at the first call that has tokens, not at import."""
    printed = output_of("import sys, llmtrace.pricing; print('genai_prices.data' in sys.modules)")
    assert printed.strip() == "False"
