"""OpenAI chat completions, as they are and as OpenAI-compatible servers deviate."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from bounded import at_most
from hypothesis import given
from openai.types.chat import ChatCompletion
from strategies import HOSTILE, recipes

from llmtrace.recorders import llm_answer, openai_chat

CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "oslo"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
]
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "It rains.", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 64, "audio_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 8, "audio_tokens": 2},
    },
}
EXPECTED = {
    "llmtrace.llm.response_id": "chatcmpl-1",
    "llm.model_name": "gpt-4o-mini-2024-07-18",
    "llm.token_count.prompt": 100,
    "llm.token_count.completion": 20,
    "llm.token_count.total": 120,
    "llm.token_count.prompt_details.cache_read": 64,
    "llm.token_count.prompt_details.audio": 3,
    "llm.token_count.completion_details.reasoning": 8,
    "llm.token_count.completion_details.audio": 2,
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "It rains.",
    "llm.finish_reason": "stop",
    "output.value": "It rains.",
    "output.mime_type": "text/plain",
}


def as_dict(answer: dict[str, Any]) -> Any:
    """As a plain dict."""
    return answer


def as_sdk_object(answer: dict[str, Any]) -> Any:
    """As the SDK validates it."""
    return ChatCompletion.model_validate(answer)


def as_loose_sdk_object(answer: dict[str, Any]) -> Any:
    """As the SDK builds it from a response: nothing is validated, what is missing stays missing."""
    return ChatCompletion.construct(**copy.deepcopy(answer))


FORMS = pytest.mark.parametrize("form", [as_dict, as_sdk_object, as_loose_sdk_object])
LOOSE = pytest.mark.parametrize("form", [as_dict, as_loose_sdk_object])


def changed(**changes: Any) -> dict[str, Any]:
    """The answer with some fields replaced, or left out (...); `__` separates the steps of a path."""
    answer = copy.deepcopy(ANSWER)
    for path, value in changes.items():
        *way, last = path.split("__")
        place: Any = answer
        for step in way:
            place = place[int(step) if step.isdigit() else step]
        if value is ...:
            del place[last]
        else:
            place[last] = value
    return answer


def without(*names: str) -> dict[str, Any]:
    """What is expected, less the keys that begin so."""
    return {key: value for key, value in EXPECTED.items() if not key.startswith(names)}


@FORMS
def test_an_answer_becomes_model_messages_tokens_and_finish_reason(form):
    """The answer of the real SDK and the same dict give exactly the documented attributes."""
    assert llm_answer(form(ANSWER)) == EXPECTED


@LOOSE
@pytest.mark.parametrize("usage", [None, ..., {}])
def test_without_usage_no_token_count_is_made_up(form, usage):
    """A server that sends no usage costs the counts, nothing else."""
    assert llm_answer(form(changed(usage=usage))) == without("llm.token_count")


@LOOSE
def test_a_part_of_the_usage_is_kept_as_it_is(form):
    """Only prompt tokens: only prompt tokens are recorded."""
    counts = llm_answer(form(changed(usage={"prompt_tokens": 5, "total_tokens": None, "completion_tokens": "many"})))
    assert {key: value for key, value in counts.items() if "token_count" in key} == {"llm.token_count.prompt": 5}


@FORMS
def test_null_content_with_tool_calls_is_an_answer(form):
    """Tool calls are recorded with id, name and arguments; there is no text that could be the output's."""
    message = {"role": "assistant", "content": None, "tool_calls": CALLS}
    recorded = llm_answer(form(changed(choices__0__message=message, choices__0__finish_reason="tool_calls")))
    base = "llm.output_messages.0.message"
    assert {key: value for key, value in recorded.items() if key.startswith(base)} == {
        f"{base}.role": "assistant",
        f"{base}.tool_calls.0.tool_call.id": "call_1",
        f"{base}.tool_calls.0.tool_call.function.name": "search",
        f"{base}.tool_calls.0.tool_call.function.arguments": '{"q": "oslo"}',
        f"{base}.tool_calls.1.tool_call.id": "call_2",
        f"{base}.tool_calls.1.tool_call.function.name": "clock",
        f"{base}.tool_calls.1.tool_call.function.arguments": "{}",
    }
    assert recorded["llm.finish_reason"] == "tool_calls"
    assert "output.value" not in recorded


@LOOSE
def test_tool_calls_without_ids_are_recorded(form):
    """Servers that leave out the id of a call lose only the id."""
    calls = [{"function": {"name": "search", "arguments": {"q": "oslo"}}}]
    recorded = llm_answer(form(changed(choices__0__message={"role": "assistant", "tool_calls": calls})))
    base = "llm.output_messages.0.message.tool_calls.0.tool_call"
    assert recorded[f"{base}.function.name"] == "search"
    assert recorded[f"{base}.function.arguments"] == '{"q":"oslo"}'
    assert f"{base}.id" not in recorded


@LOOSE
@pytest.mark.parametrize("missing", ["object", "created", "choices__0__index", "choices__0__logprobs"])
def test_a_missing_field_that_is_not_recorded_does_not_matter(form, missing):
    """No time, no index: the record is the same."""
    assert llm_answer(form(changed(**{missing: ...}))) == EXPECTED


@LOOSE
def test_a_missing_model_leaves_the_one_that_was_asked_for(form):
    """Without a model in the answer there is no model name to replace the request's."""
    assert llm_answer(form(changed(model=...))) == without("llm.model_name")
    assert llm_answer(form(changed(model=""))) == without("llm.model_name")


@FORMS
def test_a_refusal_is_the_output_and_stands_in_the_transcript(form):
    """Where the model refuses, its words are the output and are seen in the message."""
    message = {"role": "assistant", "content": None, "refusal": "I cannot."}
    recorded = llm_answer(form(changed(choices__0__message=message)))
    assert recorded["output.value"] == "I cannot."
    assert "I cannot." in [value for key, value in recorded.items() if key.startswith("llm.output_messages.0.")]


@FORMS
def test_each_of_several_choices_is_a_message(form):
    """n=2 gives two output messages; the finish reason is that of the first."""
    choices = [
        {"index": 1, "message": {"role": "assistant", "content": "B"}, "finish_reason": "length", "logprobs": None},
        {"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop", "logprobs": None},
    ]
    recorded = llm_answer(form(changed(choices=choices)))
    assert recorded["llm.output_messages.0.message.content"] == "A"
    assert recorded["llm.output_messages.1.message.content"] == "B"
    assert recorded["llm.finish_reason"] == "stop"


@LOOSE
def test_choices_that_all_say_index_0_are_all_kept(form):
    """A server that numbers every choice 0 does not lose one answer to another."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}} for text in "AB"]
    recorded = llm_answer(form(changed(choices=choices)))
    assert recorded["llm.output_messages.0.message.content"] == "A"
    assert recorded["llm.output_messages.1.message.content"] == "B"


@LOOSE
@pytest.mark.parametrize("choices", [[], [{"index": 0, "message": {}}]])
def test_an_answer_without_words_is_no_error(form, choices):
    """No choice, or an empty message: model and tokens are still recorded."""
    recorded = llm_answer(form(changed(choices=choices)))
    assert recorded["llm.token_count.total"] == 120
    assert "output.value" not in recorded


def test_content_in_parts_is_recorded():
    """A server that answers in parts, as some do, keeps its texts."""
    parts = [{"type": "text", "text": "It rains."}]
    recorded = llm_answer(changed(choices__0__message__content=parts))
    assert recorded["llm.output_messages.0.message.contents.0.message_content.text"] == "It rains."


@pytest.mark.parametrize("answer", [None, "text", 7, [], {}, {"choices": "none"}, {"choices": [{"text": "old"}]}])
def test_what_is_no_chat_completion_is_not_taken_for_one(answer):
    """Texts, numbers and answers of other shapes are left to others."""
    assert not openai_chat.recognises(answer)


def test_a_text_is_the_assistants_message():
    """record_output("words") on an LLM span needs no SDK object."""
    assert llm_answer("It rains.") == {
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "It rains.",
        "output.value": "It rains.",
        "output.mime_type": "text/plain",
    }
    assert llm_answer(None) == {}


def test_an_unknown_answer_is_kept_as_json():
    """An answer of no known shape loses nothing but its structure."""
    recorded = llm_answer({"reply": "It rains."})
    assert recorded["output.value"] == '{"reply":"It rains."}'
    assert recorded["output.mime_type"] == "application/json"


PLACES = ("choices", "usage", "model", "usage__total_tokens", "choices__0", "choices__0__index", "choices__0__message")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_inside_an_answer_is_recorded_without_a_word(name):
    """Whatever stands in the place of a field, recording raises nothing and makes flat attributes."""
    for place in PLACES:
        answer: dict[str, Any] = {**copy.deepcopy(ANSWER)}
        *way, last = [int(step) if step.isdigit() else step for step in place.split("__")]
        target: Any = answer
        for step in way:
            target = target[step]
        target[last] = HOSTILE[name]()
        try:
            with at_most(20.0):
                recorded = llm_answer(answer)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
            pytest.fail(f"{place}: raised {type(error).__name__}", pytrace=False)
        assert all(type(value) in (str, bool, int, float) for value in recorded.values()), place


@given(recipes)
def test_no_answer_makes_recording_raise(recipe):
    """Any value at all can be recorded as an answer."""
    try:
        with at_most(20.0):
            kinds = {type(value) for value in llm_answer(recipe.make()).values()}
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
        pytest.fail(f"raised {type(error).__name__}", pytrace=False)
    assert kinds <= {str, bool, int, float}


def test_a_refusal_is_said_in_an_attribute_of_its_own():
    """A refusal in the provider's own field sets llmtrace.llm.refused; an answer, and an empty field, do not."""
    refused = {"choices": [{"index": 0, "message": {"role": "assistant", "content": None, "refusal": "I cannot."}}]}
    assert llm_answer(refused)["llmtrace.llm.refused"] is True
    answered = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Yes.", "refusal": None}}]}
    assert "llmtrace.llm.refused" not in llm_answer(answered)


@pytest.mark.parametrize("field", ["cached_tokens", "prompt_cache_hit_tokens"])
def test_cached_tokens_beside_the_other_counts_are_counted(field):
    """Together, Moonshot and DeepSeek say how much of the prompt was cached without details around it."""
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, field: 8, "prompt_tokens_details": None}
    found = llm_answer({**ANSWER, "usage": usage})
    assert found["llm.token_count.prompt_details.cache_read"] == 8


def test_counts_named_as_in_the_responses_api_are_counted():
    """Some gateways answer as OpenAI's chat does and count as its Responses API does."""
    found = llm_answer({**ANSWER, "usage": {"input_tokens": 9, "output_tokens": 1, "total_tokens": 10}})
    counts = {name: found[f"llm.token_count.{name}"] for name in ("prompt", "completion", "total")}
    assert counts == {"prompt": 9, "completion": 1, "total": 10}


def test_choices_that_are_null_hide_neither_model_nor_counts():
    """A server that answers with nothing at all has counted tokens all the same."""
    found = llm_answer({**ANSWER, "choices": None})
    assert (found["llm.model_name"], found["llm.token_count.total"]) == ("gpt-4o-mini-2024-07-18", 120)
    assert not any(key.startswith("llm.output_messages") for key in found)
