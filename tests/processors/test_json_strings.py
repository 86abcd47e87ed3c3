"""The tutorial style, one JSON string for a whole list, converted on the way out."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import record
from strategies import any_texts

from llmtrace.processors.json_strings import flatten_json_strings

MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
FLAT_MESSAGES = {
    "0.message.role": "user",
    "0.message.content": "Hi",
    "1.message.role": "assistant",
    "1.message.content": "Hello",
}


def flattened(**attributes):
    """What comes out of the step; `__` in a name stands for a dot."""
    given_ones = {key.replace("__", "."): value for key, value in attributes.items()}
    return dict(flatten_json_strings(record(given_ones)).attributes)


@pytest.mark.parametrize("key", ["llm.input_messages", "llm.output_messages"])
def test_messages_in_one_json_string_are_flattened(key):
    """json.dumps(messages) comes out as one key for each field, and the string is gone."""
    assert dict(flatten_json_strings(record({key: json.dumps(MESSAGES), "mine": 1})).attributes) == {
        "mine": 1,
        **{f"{key}.{field}": value for field, value in FLAT_MESSAGES.items()},
    }


@pytest.mark.parametrize("key", ["retrieval.documents", "reranker.input_documents", "reranker.output_documents"])
def test_documents_in_one_json_string_are_flattened(key):
    """json.dumps(documents), which breaks Phoenix's page, comes out as one key for each field."""
    text = json.dumps([{"content": "a", "id": "d1", "score": 0.5, "metadata": {"k": 1}}, "b"])
    assert dict(flatten_json_strings(record({key: text})).attributes) == {
        f"{key}.0.document.content": "a",
        f"{key}.0.document.id": "d1",
        f"{key}.0.document.score": 0.5,
        f"{key}.0.document.metadata": '{"k":1}',
        f"{key}.1.document.content": "b",
    }


def test_tools_in_one_json_string_are_flattened():
    """json.dumps(tools) comes out as one JSON schema for each tool."""
    tools = [{"type": "function", "function": {"name": "a"}}, {"type": "function", "function": {"name": "b"}}]
    flat = flattened(llm__tools=json.dumps(tools))
    assert [json.loads(flat[f"llm.tools.{i}.tool.json_schema"]) for i in range(2)] == tools


def test_one_message_in_a_json_string_is_a_conversation_of_one():
    """A JSON object in the place of a list is its only entry."""
    assert flattened(llm__input_messages='{"role": "user", "content": "Hi"}') == {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Hi",
    }


@pytest.mark.parametrize("broken", ['[{"role": "user"', "not JSON", "", "7", '"text"', "null", "[" * 100_000])
def test_what_cannot_be_parsed_is_kept_as_text(broken):
    """Broken JSON is the text of one message or one document; nothing is lost."""
    assert flattened(llm__input_messages=broken)["llm.input_messages.0.message.content"] == broken
    assert flattened(retrieval__documents=broken)["retrieval.documents.0.document.content"] == broken
    assert flattened(llm__tools=broken)["llm.tools.0.tool.json_schema"] == broken


def test_flattened_attributes_that_are_there_win():
    """A span that carries both forms keeps the flattened one."""
    flat = {"llm.input_messages.0.message.content": "flat"}
    both = {**flat, "llm.input_messages": json.dumps(MESSAGES)}
    assert dict(flatten_json_strings(record(both)).attributes) == flat


def test_nested_values_are_flattened_too():
    """A list of dicts, which newer SDKs take as an attribute, comes out flattened."""
    flat = dict(flatten_json_strings(record({"llm.input_messages": tuple(MESSAGES)})).attributes)
    assert flat == {f"llm.input_messages.{field}": value for field, value in FLAT_MESSAGES.items()}


def test_other_spans_pass_untouched():
    """A span without such a string is handed on as it is."""
    given_one = record({"input.value": json.dumps(MESSAGES)})
    assert flatten_json_strings(given_one) is given_one


LISTS = ["llm.input_messages", "llm.output_messages", "llm.tools", "retrieval.documents", "reranker.input_documents"]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(any_texts | st.sampled_from(["role", "content", "score"]), inner)
    ),
)


@given(st.sampled_from(LISTS), json_values.map(json.dumps) | any_texts)
def test_no_text_makes_the_step_raise_or_leaves_the_list_in_one_value(key, text):
    """Whatever the string holds, what comes out is flat and no longer a string that breaks Phoenix's page."""
    attributes = flatten_json_strings(record({key: text})).attributes
    assert key not in attributes
    assert all(type(value) in (str, bool, int, float) for value in attributes.values())


def test_a_number_too_large_for_a_score_does_not_lose_the_span():
    """JSON may hold numbers that no float can: the document is still there."""
    text = '[{"content": "a", "score": 1' + "0" * 400 + "}]"
    assert flattened(retrieval__documents=text)["retrieval.documents.0.document.content"] == "a"
