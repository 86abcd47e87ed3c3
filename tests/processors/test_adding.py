"""Several steps that only add, as one."""

from __future__ import annotations

from records import record

from llmtrace.processors.adding import adding


def test_all_that_is_said_is_added_and_the_given_record_stays_as_it_was():
    """What each says is there, over what was there and over what the one before it said; order of keys and all."""
    given = record({"a": 1, "b": 2})
    made = adding(lambda _: {"b": 3, "c": 4}, lambda _: None, lambda _: {"c": 5, "d": 6})(given)
    assert list(made.attributes.items()) == [("a", 1), ("b", 3), ("c", 5), ("d", 6)]
    assert given.attributes == {"a": 1, "b": 2}
    assert made[:6] == given[:6]


def test_where_nothing_is_said_the_record_passes():
    """The same object comes out: whoever compares by identity sees that nothing was done."""
    given = record({"a": 1})
    assert adding(lambda _: None, lambda _: {})(given) is given
