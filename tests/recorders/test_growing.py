"""Chunks each of which holds all that came before: the last one is the answer, not the sum of all."""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel
from strategies import HOSTILE

from llmtrace.recorders import llm_accumulator

pytestmark = pytest.mark.usefixtures("strict")
pytest_plugins = ["core_fixtures"]

OUT = "llm.output_messages.0.message"
T = TypeVar("T")


class PartialBase(Generic[T]):
    """instructor 1.17: the base of every partial model."""


PartialBase.__module__ = "instructor.v2.dsl.partial"


class Item(BaseModel):
    """What the answer has several of."""

    name: str | None = None
    amount: int | None = None


class Order(BaseModel):
    """What the app wants to have."""

    text: str | None = None
    customer: str | None = None
    items: list[Item] | None = None


class PartialOrder(Order, PartialBase[Order]):
    """As Instructor makes it."""


GROWTH: list[dict[str, Any]] = [
    {},
    {"customer": ""},
    {"customer": "An"},
    {"customer": "Anna"},
    {"customer": "Anna", "items": []},
    {"customer": "Anna", "items": [{"name": "te"}]},
    {"customer": "Anna", "items": [{"name": "tea", "amount": 2}]},
    {"customer": "Anna", "items": [{"name": "tea", "amount": 25}, {"name": "jam"}]},
    {"customer": "Anna", "items": [{"name": "tea", "amount": 25}, {"name": "jam", "amount": 1}]},
]


def streamed(pieces: list[Any]) -> tuple[dict[str, Any], list[bool]]:
    """What a stream says, and which of its chunks brought something of the answer.

    Objects are rendered in two milliseconds or not to their end: a busy machine must not decide what is compared.
    """
    for _ in range(100):
        accumulator = llm_accumulator(pieces[0])
        brought = [accumulator.add(piece) for piece in pieces]
        found = accumulator.attributes()
        if "out of time" not in str(found):
            break
    return found, brought


@pytest.mark.parametrize("form", [PartialOrder.model_validate, Order.model_validate, dict])
def test_of_objects_that_grow_the_last_is_the_answer(form):
    """Instructor's partial models, those of others, and dicts; an object without anything in it is no token."""
    found, brought = streamed([form(fields) for fields in GROWTH])
    assert json.loads(found["output.value"])["items"][1]["name"] == "jam"
    assert found["output.value"].count("Anna") == found[f"{OUT}.content"].count("Anna") == 1
    assert found["output.mime_type"] == "application/json"
    assert found[f"{OUT}.role"] == "assistant"
    assert brought == [False] + [True] * (len(GROWTH) - 1)


@pytest.mark.parametrize("form", [PartialOrder.model_validate, Order.model_validate])
def test_a_field_of_words_does_not_hide_the_others(form):
    """An object whose text grows is recorded whole, if it says more than that."""
    texts = [{"text": "The order of Anna."[:end], "customer": "Anna"} for end in (4, 9, 14, 18)]
    found, _ = streamed([form(said) for said in texts])
    said = json.loads(found["output.value"])
    assert (said["text"], said["customer"]) == ("The order of Anna.", "Anna")


def test_objects_that_follow_one_another_are_all_recorded():
    """What does not grow is a list of answers, of which none is lost."""
    found, _ = streamed([Item(name="tea", amount=2), Item(name="jam", amount=1), Item(name="tea", amount=2)])
    assert [found["output.value"].count(name) for name in ("tea", "jam")] == [2, 1]


@pytest.mark.parametrize("wrap", [str, lambda words: {"text": words}], ids=["text", "dict"])
def test_of_texts_that_grow_the_last_is_the_answer(wrap):
    """Pydantic AI streams all of the text so far, again and again."""
    words = "The capital of France is Paris."
    found, _ = streamed([wrap(words[:end]) for end in (0, 3, 11, 11, 20, len(words))])
    assert found["output.value"] == found[f"{OUT}.content"] == words


@pytest.mark.parametrize(
    "pieces",
    [
        ["The", " capital", " of", " France"],
        ["1", "10", " eggs"],
        ["1", "10"],
        ["-", "-", "-", "-"],
        ["", "a", "ab", "b"],
        ["", "", "Hi"],
        ["The capital of France is", " Paris", "The capital of France is Rome"],
    ],
)
def test_pieces_that_have_something_in_common_are_still_pieces(pieces):
    """What begins as if it grew and does not is joined, with nothing lost of its beginning."""
    found, _ = streamed(pieces)
    assert found["output.value"] == "".join(pieces)


def test_an_endless_stream_that_grows_stays_bounded():
    """Beyond the room there is for a stream, growing texts are cut as all others are."""
    found, _ = streamed(["x" * size for size in range(1, 2_000_000, 250_000)])
    assert len(found["output.value"]) <= 1_048_576


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_among_growing_ones_is_recorded_without_a_word(name):
    """Whatever comes between, the stream is recorded."""
    value = HOSTILE[name]()
    for pieces in ([value, *GROWTH, value], [{"customer": value}, {"customer": value}], ["a", value, "ab"]):
        found, _ = streamed(pieces)
        assert found[f"{OUT}.role"] == "assistant"
