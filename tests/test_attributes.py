"""Messages, tools and documents of any shape -> flat attributes."""

from __future__ import annotations

import json
from collections import UserDict
from dataclasses import dataclass
from enum import Enum
from types import SimpleNamespace
from typing import Any

import pytest
from bounded import at_most
from hypothesis import example, given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage
from strategies import HOSTILE, any_texts, recipes

from llmtrace._attributes import put_documents, put_message, put_messages, put_tools, put_value
from llmtrace._attributes.message_keys import MOST_KEPT
from llmtrace._values.spending import MOST_ENTRIES, spending

IN = "llm.input_messages"
OUT = "llm.output_messages"
DOCS = "retrieval.documents"


def messages(value: Any, key: str = IN) -> dict[str, Any]:
    """A flattened conversation."""
    into: dict[str, Any] = {}
    put_messages(into, key, value)
    return into


def documents(value: Any) -> dict[str, Any]:
    """Flattened documents."""
    into: dict[str, Any] = {}
    put_documents(into, DOCS, value)
    return into


def test_a_conversation_becomes_one_key_for_each_field():
    """Role and content of message i stand under llm.input_messages.i.message."""
    conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    assert messages(conversation) == {
        "llm.input_messages.0.message.role": "system",
        "llm.input_messages.0.message.content": "Be brief.",
        "llm.input_messages.1.message.role": "user",
        "llm.input_messages.1.message.content": "Hi",
    }


@pytest.mark.parametrize("list_type", [list, tuple, lambda items: dict(enumerate(items)).values()])
def test_any_sequence_of_messages_is_a_conversation(list_type):
    """Lists, tuples and views are read alike."""
    items = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert messages(list_type(items)) == messages(items)


def test_one_message_or_a_bare_text_is_a_conversation_of_one():
    """A single dict is message 0; a text is what the user said, or what the assistant answered."""
    assert messages({"role": "user", "content": "Hi"}) == messages([{"role": "user", "content": "Hi"}])
    assert messages("Hi") == {f"{IN}.0.message.role": "user", f"{IN}.0.message.content": "Hi"}
    assert messages("Hi", OUT) == {f"{OUT}.0.message.role": "assistant", f"{OUT}.0.message.content": "Hi"}
    assert messages(None) == {}
    assert messages([]) == {}


def test_an_iterator_of_messages_is_not_read():
    """Messages that come from an iterator stay the app's to read."""
    iterator = iter([{"role": "user", "content": "Hi"}])
    messages(iterator)
    assert next(iterator)["content"] == "Hi"


class Role(Enum):
    USER = "user"


@pytest.mark.parametrize(
    "message",
    [
        SimpleNamespace(role="user", content="Hi"),
        UserDict(role="user", content="Hi"),
        SimpleNamespace(type="human", content="Hi"),
        {"role": Role.USER, "content": "Hi"},
        {"message": {"role": "user", "content": "Hi"}},
        {"message.role": "user", "message.content": "Hi"},
    ],
)
def test_sdk_objects_and_other_spellings_of_a_message_are_understood(message):
    """Objects, mappings, LangChain's types, enums and OpenInference's own nested form all give the same keys."""
    assert messages([message]) == {f"{IN}.0.message.role": "user", f"{IN}.0.message.content": "Hi"}


CALL = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "a"}'}}


def test_tool_calls_and_their_answers_are_flattened():
    """A tool call keeps id, name and arguments; the tool's message keeps the id that it answers."""
    conversation = [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "name": "search", "content": "found"},
    ]
    assert messages(conversation) == {
        f"{IN}.0.message.role": "assistant",
        f"{IN}.0.message.tool_calls.0.tool_call.id": "call_1",
        f"{IN}.0.message.tool_calls.0.tool_call.function.name": "search",
        f"{IN}.0.message.tool_calls.0.tool_call.function.arguments": '{"q": "a"}',
        f"{IN}.1.message.role": "tool",
        f"{IN}.1.message.content": "found",
        f"{IN}.1.message.name": "search",
        f"{IN}.1.message.tool_call_id": "call_1",
    }


def test_an_answer_of_the_openai_sdk_can_be_sent_back_as_a_message():
    """The SDK's message object in the history gives the same keys as the dict."""
    message = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert messages([ChatCompletionMessage.model_validate(message)]) == messages([message])


def test_tool_calls_of_langchain_are_understood():
    """Name and args, with arguments as a dict, become the same keys."""
    flat = messages([{"role": "ai", "content": "", "tool_calls": [{"name": "search", "args": {"q": "a"}, "id": "c"}]}])
    assert flat[f"{IN}.0.message.role"] == "assistant"
    assert json.loads(flat[f"{IN}.0.message.tool_calls.0.tool_call.function.arguments"]) == {"q": "a"}


def test_the_old_function_call_is_recorded():
    """OpenAI's deprecated function_call has keys of its own."""
    flat = messages([{"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}])
    assert flat[f"{IN}.0.message.function_call_name"] == "f"
    assert flat[f"{IN}.0.message.function_call_arguments_json"] == "{}"


def test_content_in_parts_keeps_texts_and_images():
    """Each part has its type, and its text or the address of its image."""
    parts = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
        {"type": "image_url", "image_url": "https://x/z.png"},
        "and this",
        {"type": "input_audio", "input_audio": {"format": "wav"}},
    ]
    flat = messages([{"role": "user", "content": parts}])
    base = f"{IN}.0.message.contents"
    assert flat[f"{base}.0.message_content.type"] == "text"
    assert flat[f"{base}.0.message_content.text"] == "What is this?"
    assert flat[f"{base}.1.message_content.type"] == "image"
    assert flat[f"{base}.1.message_content.image.image.url"] == "https://x/y.png"
    assert flat[f"{base}.2.message_content.image.image.url"] == "https://x/z.png"
    assert flat[f"{base}.3.message_content.text"] == "and this"
    assert flat[f"{base}.4.message_content.type"] == "input_audio"


def test_content_of_another_type_becomes_its_json():
    """A dict as content, which no provider sends, is kept as text."""
    assert messages([{"role": "user", "content": {"a": 1}}])[f"{IN}.0.message.content"] == '{"a":1}'


def test_tools_are_kept_as_json_schemas():
    """Tool i stands under llm.tools.i.tool.json_schema, as JSON text."""
    tool = {"type": "function", "function": {"name": "search", "parameters": {"type": "object"}}}
    into: dict[str, Any] = {}
    put_tools(into, [tool, '{"as": "text"}'])
    assert json.loads(into["llm.tools.0.tool.json_schema"]) == tool
    assert into["llm.tools.1.tool.json_schema"] == '{"as": "text"}'


@dataclass
class Page:
    page_content: str
    metadata: dict[str, Any]
    id: str | None = None


EXPECTED = {
    f"{DOCS}.0.document.content": "text",
    f"{DOCS}.0.document.id": "d1",
    f"{DOCS}.0.document.score": 0.5,
    f"{DOCS}.0.document.metadata": '{"source":"a.md"}',
}


@pytest.mark.parametrize(
    "document",
    [
        {"content": "text", "id": "d1", "score": 0.5, "metadata": {"source": "a.md"}},
        {"text": "text", "doc_id": "d1", "relevance_score": 0.5, "metadata": '{"source":"a.md"}'},
        {"page_content": "text", "document_id": "d1", "similarity": 0.5, "metadata": {"source": "a.md"}},
        SimpleNamespace(content="text", id="d1", score=0.5, metadata={"source": "a.md"}),
        (Page("text", {"source": "a.md"}, "d1"), 0.5),
        SimpleNamespace(node=SimpleNamespace(text="text", node_id="d1", metadata={"source": "a.md"}), score=0.5),
        {"document": {"content": "text", "id": "d1", "score": 0.5, "metadata": {"source": "a.md"}}},
        {
            "document.content": "text",
            "document.id": "d1",
            "document.score": 0.5,
            "document.metadata": '{"source":"a.md"}',
        },
    ],
)
def test_documents_of_all_shapes_give_the_same_keys(document):
    """Dicts, objects, pairs with a score, nodes and OpenInference's own form: content, id, score, metadata."""
    assert documents([document]) == EXPECTED


def test_documents_may_be_texts_and_numbers_may_be_their_ids():
    """A bare text is a document without id; a numeric id becomes text; no metadata is no key."""
    assert documents(["a", {"content": "b", "id": 7, "metadata": {}}]) == {
        f"{DOCS}.0.document.content": "a",
        f"{DOCS}.1.document.content": "b",
        f"{DOCS}.1.document.id": "7",
    }
    assert documents(None) == {}


def test_put_documents_says_how_many_there_were():
    """The count is that of the documents, none for None."""
    assert put_documents({}, DOCS, ["a", "b"]) == 2
    assert put_documents({}, DOCS, None) == 0
    assert put_documents({}, DOCS, "a") == 1


@pytest.mark.parametrize(
    "score",
    [pytest.param(10**400, id="too-large"), True, float("nan"), "0.5", None, pytest.param(object(), id="object")],
)
def test_an_odd_score_does_not_lose_the_document(score):
    """Whatever the score is, the text of the document is recorded."""
    assert documents([{"content": "text", "score": score}])[f"{DOCS}.0.document.content"] == "text"


def test_a_value_is_a_text_or_json_with_its_mime_type():
    """A text stays one, everything else becomes JSON, None is nothing."""
    into: dict[str, Any] = {}
    put_value(into, "v", "m", "words")
    assert into == {"v": "words", "m": "text/plain"}
    put_value(into, "v", "m", {"a": [1, None]})
    assert into == {"v": '{"a":[1,null]}', "m": "application/json"}
    put_value(into, "v", "m", None)
    assert into == {"v": '{"a":[1,null]}', "m": "application/json"}


def test_what_the_caller_changes_later_does_not_change_the_record():
    """Containers are rendered at once."""
    tool = {"name": "search"}
    document = {"content": ["a"], "metadata": {"k": "before"}}
    message = {"role": "user", "content": [{"type": "text", "text": "before"}]}
    flat = {**messages([message]), **documents([document])}
    put_tools(flat, [tool])
    before = json.dumps(flat)
    tool["name"] = document["metadata"]["k"] = message["content"][0]["text"] = "after"
    document["content"].append("b")
    assert json.dumps(flat) == before


class Roundabout(dict[str, Any]):
    """A dict that is none by its exact type: it never takes the quick way."""


ROLES = st.sampled_from(["user", "assistant", "tool", "human", "ai", "", None, 7])
PARTS = st.one_of(
    st.builds(lambda words: {"type": "text", "text": words}, any_texts),
    st.sampled_from(
        [
            {"type": "text", "text": None},
            {"type": "input_text", "text": "in"},
            {"type": "text", "text": "kept", "cache_control": {"type": "ephemeral"}},
            {"type": "image_url", "image_url": {"url": "https://example.org/i.png"}},
            {"type": "tool_result", "tool_use_id": "1", "content": "found"},
            {"text": "untyped", "index": 1},
        ]
    ),
)
CONTENTS = st.one_of(st.none(), any_texts, st.lists(any_texts, max_size=2), st.lists(PARTS, max_size=3))
CALLS = st.lists(
    st.one_of(
        st.just({"id": "call_1", "type": "function", "function": {"name": "search", "arguments": "{}"}}),
        st.fixed_dictionaries(
            {},
            optional={
                "id": st.one_of(st.none(), any_texts),
                "function": st.one_of(
                    st.none(), st.fixed_dictionaries({}, optional={"name": any_texts, "arguments": CONTENTS})
                ),
                "custom": st.one_of(st.none(), st.just({"name": "shell", "input": "ls"})),
                "name": any_texts,
                "args": st.just({"q": 1}),
            },
        ),
    ),
    max_size=3,
)
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": ROLES, "content": CONTENTS}),
    st.fixed_dictionaries(
        {"role": ROLES},
        optional={
            "content": CONTENTS,
            "tool_calls": st.one_of(st.none(), CALLS),
            "tool_call_id": st.one_of(st.none(), any_texts),
            "name": st.one_of(st.none(), any_texts),
        },
    ),
    st.just({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": "found"}] * 2}),
)


@given(conversation=st.lists(MESSAGES, max_size=6))
def test_the_quick_way_and_the_long_one_give_the_same(conversation):
    """A conversation of dicts gives the attributes that the same conversation gives in any other mapping."""
    spending.left, spending.entries = 60 * 10**9, MOST_ENTRIES  # a busy machine must not decide what is recorded
    try:
        assert messages(conversation) == messages([Roundabout(message) for message in conversation])
    finally:
        spending.left = None


def test_a_conversation_of_any_length_is_recorded():
    """Beyond the messages whose keys are kept, every message still has its place."""
    flat = messages([{"role": "user", "content": str(index)} for index in range(MOST_KEPT + 40)])
    assert flat[f"{IN}.{MOST_KEPT + 39}.message.content"] == str(MOST_KEPT + 39)
    assert len(flat) == 2 * (MOST_KEPT + 40)


def is_flat(attributes: dict[str, Any]) -> bool:
    """Whether all keys are texts and all values plain scalars."""
    return all(type(key) is str and type(value) in (str, bool, int, float) for key, value in attributes.items())


def shapes(value: Any) -> list[Any]:
    """The value in each place where a user could put it."""
    return [
        value,
        [value],
        [{"role": value, "content": value, "name": value, "tool_call_id": value}],
        [{"role": "user", "content": [value, {"type": value, "text": value}, {"image_url": value}]}],
        [{"role": "assistant", "tool_calls": value, "function_call": value}],
        [{"role": "assistant", "tool_calls": [value, {"id": value, "function": value}]}],
        [{"tool_calls": [{"function": {"name": value, "arguments": value}}]}],
        [{"message": value}, {"message.content": value}],
        [{"content": value, "id": value, "score": value, "metadata": value}, (value, value), (value, 1)],
        [{"document": value}, {"document.content": value}],
    ]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_in_any_place_is_recorded_without_a_word(name):
    """Messages, tools and documents take values whose every method raises, and only make flat scalar attributes."""
    for index, shape in enumerate(shapes(HOSTILE[name]())):
        into: dict[str, Any] = {}
        try:
            with at_most(20.0):
                put_messages(into, IN, shape)
                put_message(into, OUT, 0, shape)
                put_documents(into, DOCS, shape)
                put_tools(into, shape)
                put_value(into, "v", "m", shape)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
            pytest.fail(f"place {index} raised {type(error).__name__}", pytrace=False)
        assert is_flat(into), index


def raised_by(flatten: Any, value: Any) -> str:
    """What went wrong, by its type only: a hostile value must not get into pytest's own report."""
    try:
        with at_most(20.0):
            return "" if is_flat(flatten(value)) else "not flat"
    except BaseException as error:  # noqa: BLE001 - whatever it is, it must not come
        return type(error).__name__


@given(recipes)
@example(recipe=None)
def test_no_value_makes_put_messages_raise_or_nest(recipe):
    """Any value makes flat attributes of scalars, or none."""
    assert raised_by(messages, None if recipe is None else recipe.make()) == ""


@given(recipes)
def test_no_value_makes_put_documents_raise_or_nest(recipe):
    """Any value makes flat attributes of scalars, or none."""
    assert raised_by(documents, recipe.make()) == ""
