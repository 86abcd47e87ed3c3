"""Matchers mean what Alertmanager's do, and numbers compare as numbers."""

from __future__ import annotations

import re
from time import monotonic

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llmtrace.router.matchers import Matcher, MatcherError, Operator, all_match, number, parse

texts = st.text(max_size=30)
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,10}", fullmatch=True)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@given(names, st.sampled_from([Operator.EQUAL, Operator.NOT_EQUAL]), texts)
def test_a_matcher_reads_back_what_it_writes(name, operator, value):
    """Text of any kind survives writing and reading: quotes, backslashes, line ends."""
    matcher = Matcher(name, operator, value)
    assert parse(str(matcher)) == matcher


@given(names, texts, st.dictionaries(names, texts))
def test_unequal_is_the_opposite_of_equal(name, value, labels):
    """Exactly one of = and != holds, for labels that are there as for those that are not."""
    holds = Matcher(name, Operator.EQUAL, value).matches(labels)
    assert holds is not Matcher(name, Operator.NOT_EQUAL, value).matches(labels)
    assert holds is (labels.get(name, "") == value)


@given(names, texts, st.dictionaries(names, texts))
def test_a_pattern_matches_the_whole_value_or_not_at_all(name, value, labels):
    """=~ with a literal pattern is =, so a pattern is anchored at both ends; !~ is its opposite."""
    pattern = re.escape(value)
    holds = Matcher(name, Operator.MATCHES, pattern).matches(labels)
    assert holds is Matcher(name, Operator.EQUAL, value).matches(labels)
    assert holds is not Matcher(name, Operator.NOT_MATCHES, pattern).matches(labels)


@given(numbers, numbers)
def test_numbers_compare_as_numbers(value, limit):
    """< <= > >= agree with the numbers that the label and the matcher spell."""
    labels = {"value": repr(value)}
    assert Matcher("value", Operator.LESS, repr(limit)).matches(labels) is (value < limit)
    assert Matcher("value", Operator.AT_MOST, repr(limit)).matches(labels) is (value <= limit)
    assert Matcher("value", Operator.MORE, repr(limit)).matches(labels) is (value > limit)
    assert Matcher("value", Operator.AT_LEAST, repr(limit)).matches(labels) is (value >= limit)


@given(st.text())
def test_any_text_is_a_number_or_none(value):
    """Nothing that a sender writes makes the comparison fail, not even control characters around digits."""
    assert number(value) is None or value.strip()
    assert number(f"0\x1f{value[:0]}") == 0


@given(texts, st.sampled_from(["<", "<=", ">", ">="]))
def test_what_is_no_number_never_matches_a_number(value, operator):
    """A label that is no number, or is missing, is neither more nor less than one."""
    assume(number(value) is None)
    assert not parse(f"value{operator}0").matches({"value": value})
    assert not parse(f"value{operator}0").matches({})


@pytest.mark.parametrize(
    ("text", "labels", "holds"),
    [
        ('severity="critical"', {"severity": "critical"}, True),
        ("severity=critical", {"severity": "critical"}, True),
        (' severity = "critical" ', {"severity": "critical"}, True),
        ('environment!="staging"', {}, True),
        ('team=""', {}, True),
        ('severity=~"critical|error"', {"severity": "error"}, True),
        ('severity=~"critical|error"', {"severity": "errors"}, False),
        ('name=~"a.c"', {"name": "a\nc"}, False),
        ('name=~"\\d+"', {"name": "٣"}, False),
        ('name=~"a\\.c"', {"name": "abc"}, False),
        ('name=~"a$"', {"name": "a\n"}, False),
        ('name=~"[*+]"', {"name": "+"}, True),
        ('name=~"(?i)critical"', {"name": "CRITICAL"}, True),
        ('name=~"[[:alpha:]]+"', {"name": "ab"}, True),
        ('name=~"a{,2}"', {"name": "aa"}, False),
        ('name=~"a$\n"', {"name": "a\n"}, False),
        ('name=~"\\Qa.b\\E"', {"name": "a.b"}, True),
        ('name=~"|a"', {}, True),
        ("name=a\\nb", {"name": "a\nb"}, True),
        ("name=a\\qb", {"name": "a\\qb"}, True),
        ("name=a\\", {"name": "a\\"}, True),
        ('name=a\\"b', {"name": 'a"b'}, True),
        ("value>0.3", {"value": "0.31"}, True),
        ("value>0.3", {"value": "1e3"}, True),
        ("value>0.3", {"value": "inf"}, False),
        ("value>0.3", {"value": "1_000"}, False),
    ],
)
def test_the_words_are_alertmanagers(text, labels, holds):
    """Quotes may be left out, a missing label is the empty string, patterns are RE2-style."""
    assert parse(text).matches(labels) is holds


def test_a_number_may_stand_in_an_annotation():
    """value>0.3 finds the alert's value, which is no label; a label of that name goes first."""
    matcher = parse("value>0.3")
    assert matcher.matches({}, {"value": "0.5"})
    assert not matcher.matches({"value": "0.1"}, {"value": "0.5"})


def test_no_matcher_at_all_matches_everything():
    """A route without matchers is a catch-all."""
    assert all_match((), {}, {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("severity", "not of the form"),
        ("", "not of the form"),
        ('{severity="critical"}', "not of the form"),
        ('sévérité="x"', "not of the form"),
        ('severity="critical', "do not close"),
        ('severity=critical"', "a quote inside"),
        ('a="b",c="d"', "a quote inside"),
        ('a=b"c', "a quote inside"),
        ('a="b\\"', "do not close"),
        ('a="', "do not close"),
        ("a=b,c=d", "commas and braces in b,c=d without quotes"),
        ("a=~b{1}", "commas and braces"),
        ('severity=~"("', "no regular expression"),
        ('severity=~"(?=x)"', "no regular expression of RE2"),
        ('severity=~"(a)\\1"', "no regular expression of RE2"),
        ('severity=~"a++"', "no regular expression of RE2"),
        ('severity=~"a{1001}"', "no regular expression of RE2"),
        ("value>high", "compares numbers"),
        ("value<1e999", "compares numbers"),
    ],
)
def test_what_is_no_matcher_is_refused_with_the_reason(text, problem):
    """Each mistake has its own words."""
    with pytest.raises(MatcherError, match=problem):
        parse(text)


def test_a_hostile_label_takes_no_time():
    """A pattern that would keep Python's engine busy for years is linear here."""
    matcher = parse('name=~"(a+)+b"')
    started = monotonic()
    assert not any(matcher.matches({"name": "a" * length}) for length in range(1, 1024))
    assert monotonic() - started < 5


def test_a_label_that_is_no_text_matches_no_word():
    """Half a character from a sender is neither an error nor a match."""
    assert not parse('name=~"[a-z]+"').matches({"name": "\ud800"})
