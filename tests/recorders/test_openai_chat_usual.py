"""The quick way for the usual chat completion, held against the recorder that takes them all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from strategies import any_texts, plain_values

from llmtrace.recorders import llm_answer, openai_chat
from llmtrace.recorders.openai_chat_usual import put_usual

CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "oslo"}'}}
COUNTS = st.one_of(st.integers(0, 10_000), st.integers(-(2**64), 2**64), st.none(), st.booleans(), st.floats())
DETAILS = st.one_of(st.none(), st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens"]), COUNTS))
USAGES = st.one_of(
    st.none(),
    st.fixed_dictionaries({"prompt_tokens": COUNTS, "completion_tokens": COUNTS, "total_tokens": COUNTS}),
    st.fixed_dictionaries(dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), st.integers(0, 9))),
    st.fixed_dictionaries(
        {"prompt_tokens": COUNTS, "completion_tokens": COUNTS},
        optional={
            "prompt_tokens_details": DETAILS,
            "completion_tokens_details": DETAILS,
            "prompt_cache_hit_tokens": COUNTS,
            "cost": COUNTS,
        },
    ),
)
CALLS = st.one_of(
    st.none(), st.lists(st.one_of(st.just(CALL), st.fixed_dictionaries({}, optional=dict.fromkeys(CALL, any_texts))))
)
CONTENTS = st.one_of(st.none(), any_texts, st.just([{"type": "text", "text": "Hi."}]), plain_values)
FIELDS = [*ChatCompletionMessage.model_fields, "name", "reasoning_content", "reasoning", "images", "parts", "thinking"]
FIELDS += ["reasoning_details", "thinking_blocks", "executed_tools", "context", "citations"]
"""All that the SDK knows, and what other servers add: whatever is recorded of a message must be among them."""
EXTRAS = st.dictionaries(st.sampled_from(FIELDS), st.one_of(st.none(), any_texts, st.just([]), plain_values))
MESSAGES = st.builds(
    lambda extras, said: {**extras, **said},
    EXTRAS,
    st.fixed_dictionaries(
        {"role": st.sampled_from(["assistant", "model", "ai", "", None])},
        optional={"content": CONTENTS, "tool_calls": CALLS},
    ),
)
USUAL_MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": st.one_of(st.none(), any_texts)}, optional={"tool_calls": CALLS}
)
CHOICES = st.fixed_dictionaries(
    {"message": st.one_of(USUAL_MESSAGES, MESSAGES)},
    optional={
        "index": st.sampled_from([0, 1, None, "0", False]),
        "finish_reason": st.sampled_from(["stop", "tool_calls", "", None, 3]),
    },
)
OTHERS = dict.fromkeys(ChatCompletion.model_fields.keys() - {"choices", "id", "model", "usage"}, plain_values)
OTHERS |= dict.fromkeys(("citations", "search_results"), plain_values)
ANSWERS = st.fixed_dictionaries(
    {"choices": st.lists(CHOICES, min_size=1, max_size=2), "model": st.sampled_from(["gpt-4o", "", None, 7])},
    optional={"usage": USAGES, "id": st.sampled_from(["chatcmpl-1", "", None, 7]), **OTHERS},
)
USUAL: dict[str, Any] = {
    "id": "chatcmpl-1",
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
}


def as_dict(answer: dict[str, Any]) -> Any:
    """As a plain dict."""
    return answer


def as_sdk_object(answer: dict[str, Any]) -> Any:
    """As the SDK builds it from a response."""
    return ChatCompletion.construct(**answer)


FORMS = pytest.mark.parametrize("form", [as_dict, as_sdk_object])


@FORMS
@given(answer=ANSWERS)
def test_the_quick_way_finds_what_the_recorder_finds(form, answer):
    """Whatever the quick way takes on, it gives exactly the attributes that the general recorder gives."""
    whole = form(answer)
    found: dict[str, Any] = {}
    if put_usual(found, whole):
        assert openai_chat.recognises(whole)
        assert found == openai_chat.attributes(whole)
    else:
        assert found == {}


@FORMS
@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": "Hi."},
        {"role": "assistant", "content": "Hi.", "refusal": None, "annotations": []},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
    ],
)
def test_the_usual_answers_are_taken(form, message):
    """A text or tool calls, with or without empty fields beside them: the quick way is really the usual one."""
    choice = {**USUAL["choices"][0], "message": message}
    answer = form({**USUAL, "choices": [choice]})
    found: dict[str, Any] = {}
    assert put_usual(found, answer)
    assert found == openai_chat.attributes(answer) != {}


@given(answer=any_texts)
def test_a_bare_text_is_what_it_is_elsewhere(answer):
    """The assistant's message and the output, as every recorder would have it."""
    found: dict[str, Any] = {}
    assert put_usual(found, answer)
    assert found == llm_answer(answer)
