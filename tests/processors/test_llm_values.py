"""input.value and output.value of LLM spans."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from records import record

from llmtrace._values.plain import escaped, quote
from llmtrace._values.serialize import to_json
from llmtrace.processors.llm_values import derive_llm_values

MESSAGES = {
    "llm.input_messages.0.message.role": "system",
    "llm.input_messages.0.message.content": "Be brief.",
    "llm.input_messages.1.message.role": "user",
    "llm.input_messages.1.message.content": "Hi",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "search",
}


def derived(attributes):
    """The attributes of an LLM span after the step."""
    return dict(derive_llm_values(record({"openinference.span.kind": "LLM", **attributes})).attributes)


def test_missing_values_are_made_from_the_messages():
    """An LLM span without input.value and output.value gets them as JSON of its messages, in order."""
    attributes = derived(MESSAGES)
    sent = json.loads(attributes["input.value"])["messages"]
    assert [message["role"] for message in sent] == ["system", "user"]
    assert sent[1]["content"] == "Hi"
    assert attributes["input.mime_type"] == attributes["output.mime_type"] == "application/json"
    assert "search" in attributes["output.value"]
    assert MESSAGES.items() <= attributes.items()


def test_the_order_is_by_number_not_by_text():
    """Message 10 comes after message 9."""
    attributes = derived({f"llm.input_messages.{i}.message.content": str(i) for i in reversed(range(12))})
    sent = json.loads(attributes["input.value"])["messages"]
    assert [message["content"] for message in sent] == [str(i) for i in range(12)]


def test_a_value_that_is_there_is_kept():
    """What the user or a recorder set is not replaced."""
    attributes = derived({**MESSAGES, "output.value": "mine"})
    assert attributes["output.value"] == "mine"
    assert "output.mime_type" not in attributes


def test_spans_of_other_kinds_and_without_messages_pass_untouched():
    """Only LLM spans with messages are added to."""
    for given_one in (
        record({"openinference.span.kind": "CHAIN", **MESSAGES}),
        record({"openinference.span.kind": "LLM"}),
    ):
        assert derive_llm_values(given_one) is given_one


FIELDS = ("role", "content", "name", "tool_calls.0.tool_call.function.arguments", 'o"dd\\')
VALUES = st.one_of(st.text(st.characters(codec=None), max_size=20), st.integers(-9, 9), st.booleans(), st.none())


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1), min_size=1, max_size=4))
def test_what_stands_ready_is_what_the_serialiser_writes(messages):
    """Whatever the messages hold, the value is the JSON that `to_json` makes of them, the second time as the first."""
    flat = {
        f"llm.input_messages.{i}.message.{field}": value
        for i, message in enumerate(messages)
        for field, value in message.items()
    }
    for _ in range(2):
        assert derived(flat)["input.value"] == to_json({"messages": messages})


def test_a_key_that_only_looks_like_a_message_is_no_message():
    """A place that is no number of ours is left alone."""
    flat = {"llm.input_messages.\u00b2.message.role": "user", f"llm.input_messages.{'9' * 5_000}.message.role": "user"}
    assert "input.value" not in derived(flat)


@given(st.lists(st.text(st.characters(max_codepoint=0x3000))))
def test_texts_are_quoted_together_as_each_by_itself(texts):
    """Whatever characters they hold: the quick way writes what the usual one does."""
    assert [f'"{text}"' for text in escaped(texts)] == [quote(text) for text in texts]
