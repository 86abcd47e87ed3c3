"""Tests of llmtrace.processors.limits and cutting: a span of any size becomes one that a backend takes, and says so."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import Event
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from records import record
from secret_canaries import BY_VALUE, TRACES
from strategies import any_texts, plain_values

from llmtrace._config.span_limits import SpanLimits, span_limits
from llmtrace.exceptions import ConfigurationError
from llmtrace.exporters.otlp import encode
from llmtrace.processors.bounds import Limits
from llmtrace.processors.cutting import cut
from llmtrace.processors.limits import SizeLimits
from llmtrace.processors.redaction import redaction
from llmtrace.semconv import alert
from llmtrace.semconv import trace as keys

SMALL = Limits(text=1_024, span=65_536, attributes=128, events=16)
FOUR_MB = 4 * 1024 * 1024


def limited(span, limits=None):
    """What the three steps, in their order, make of a span."""
    sizes = SizeLimits(limits)
    return sizes.fine(redaction()(sizes.coarse(span)))


def conversation(messages, content="What is it?"):
    """The attributes of an LLM span with so many messages."""
    attributes = {keys.SPAN_KIND: "LLM"}
    for index in range(messages):
        attributes[f"llm.input_messages.{index}.message.role"] = "user"
        attributes[f"llm.input_messages.{index}.message.content"] = f"{index}: {content}"
    attributes |= {
        keys.LLM_MODEL_NAME: "m",
        keys.LLM_TOKEN_COUNT_PROMPT: 9,
        "llm.output_messages.0.message.content": "It is.",
    }
    return attributes


@pytest.mark.parametrize("messages", [1, 200, 2_000])
def test_a_long_conversation_is_left_alone(messages):
    """2,000 messages are 4,000 attributes; the SDK's own limit is 128."""
    span = record(conversation(messages))
    assert SizeLimits().coarse(span) is span
    assert SizeLimits().fine(span) is span


@pytest.mark.parametrize(
    ("messages", "content"), [(20_000, "x"), (20_000, "x" * 5_000), (300, "é" * 100_000), (6_000, "y" * 999)]
)
def test_of_an_endless_conversation_the_middle_is_left_out_and_counted(messages, content):
    """Kind, model, counts, first and last messages stay; what is missing stands in an attribute."""
    attributes = conversation(messages, content)
    kept = limited(record(attributes))
    indices = [
        int(key.split(".")[2])
        for key in kept.attributes
        if key.startswith("llm.input_messages.") and key.endswith("role")
    ]
    assert kept.attributes[keys.SPAN_KIND] == "LLM"
    assert kept.attributes[keys.LLM_MODEL_NAME] == "m"
    assert kept.attributes[keys.LLM_TOKEN_COUNT_PROMPT] == 9
    assert kept.attributes["llm.output_messages.0.message.content"] == "It is."
    assert {0, 1, messages - 2, messages - 1} <= set(indices)
    assert kept.attributes.get(f"{keys.OMITTED_PREFIX}llm.input_messages", 0) == messages - len(indices)
    assert len(kept.attributes) <= Limits().attributes + messages
    assert len(encode([kept])) < FOUR_MB
    gone = len([key for key in attributes if key not in kept.attributes])
    assert kept.dropped_attributes == gone


def test_a_long_text_is_cut_marked_and_measured():
    """The mark stands in the text, its length in an attribute."""
    kept = limited(record({keys.INPUT_VALUE: "word " * 100_000, "short": "x"}))
    assert len(kept.attributes[keys.INPUT_VALUE]) <= Limits().text
    assert kept.attributes[keys.INPUT_VALUE].endswith("…[truncated, 500000 characters]")
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}{keys.INPUT_VALUE}"] == 500_000
    assert kept.attributes["short"] == "x"


def test_json_that_is_cut_stays_json():
    """A conversation of 10 MB in one JSON text."""
    text = json.dumps({"messages": [{"role": "user", "content": "x" * 90}] * 80_000})
    kept = limited(record({keys.INPUT_VALUE: text}))
    shown = json.loads(kept.attributes[keys.INPUT_VALUE])
    assert shown["messages"][0] == {"role": "user", "content": "x" * 90}
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}{keys.INPUT_VALUE}"] == len(text)


def test_ten_megabytes_cost_the_time_of_a_hundred_kilobytes():
    """Redaction reads what the coarse cut left."""
    span = record({keys.INPUT_VALUE: json.dumps([{"password": "x" * 20}] * 400_000)})
    start = time.thread_time()
    limited(span)
    assert time.thread_time() - start < 0.5


@pytest.mark.parametrize("kind", BY_VALUE)
def test_a_secret_cut_in_half_leaks_no_half(kind):
    """Wherever in it, or near it, the cut falls; also where redaction shortens the text before it."""
    secret = BY_VALUE[kind]
    for shift in range(0, 2_600, 37):
        for front in ("a ", f"{BY_VALUE['private key']} "):
            text = front * ((SMALL.text - shift + 1_100) // len(front)) + "c " * (shift % len(front) // 2)
            span = record({"a": f"{text} {secret} " + "b " * 4_000})
            wire = encode([limited(span, SMALL)])
            assert [piece for piece in TRACES if piece.encode() in wire] == []


def test_a_secret_at_every_point_of_the_cut_leaks_nothing():
    """Character by character over both edges."""
    sizes = SizeLimits(SMALL)
    secret = BY_VALUE["openai project"]
    for edge in (SMALL.text, SMALL.text + 2_048):
        for start in range(edge - len(secret) - 2, edge + 2):
            text = ("a " * 4_000)[: start - 1] + f" {secret} " + "b " * 2_000
            wire = encode([sizes.fine(redaction()(sizes.coarse(record({"a": text}))))])
            assert [piece for piece in TRACES if piece.encode() in wire] == []


def test_the_longest_texts_are_cut_first():
    """All to the same length; short ones stay whole."""
    attributes = {f"long.{name}": name * 100_000 for name in "abcdefgh"} | {
        f"short.{name}": name * 500 for name in "abcdefgh"
    }
    kept = limited(record(attributes), Limits(span=200_000))
    assert all(kept.attributes[f"short.{name}"] == name * 500 for name in "abcdefgh")
    lengths = {len(kept.attributes[f"long.{name}"]) for name in "abcdefgh"}
    assert len(lengths) == 1
    assert min(lengths) > 15_000
    assert len(encode([kept])) < 220_000


def test_too_many_keys_of_ones_own_are_counted():
    """The first ones stay, and all that gives the span its meaning, wherever it stands."""
    attributes = {f"k{index}": index for index in range(20_000)} | {keys.LLM_MODEL_NAME: "m", keys.SPAN_KIND: "LLM"}
    kept = limited(record(attributes))
    assert len(kept.attributes) <= Limits().attributes
    assert kept.attributes[keys.LLM_MODEL_NAME] == "m"
    assert kept.attributes["k0"] == 0
    assert (
        kept.attributes[f"{keys.OMITTED_PREFIX}attributes"]
        == kept.dropped_attributes
        == 20_002 + 1 - len(kept.attributes)
    )


def test_events_and_links_are_bounded_and_counted():
    """The first and the last stay; alert tags and exceptions between them too."""
    events = [Event(f"e{index}", {"i": index}) for index in range(5_000)]
    events[2_500] = Event(alert.EVENT_NAME, {alert.SEVERITY: "critical"})
    events[2_600] = Event("exception", {"exception.stacktrace": "x " * 500_000})
    links = [Link(SpanContext(1, index + 1, is_remote=False)) for index in range(5_000)]
    kept = limited(record(events=events, links=links))
    names = [event.name for event in kept.events]
    assert {"e0", "e4999", alert.EVENT_NAME, "exception"} <= set(names)
    assert len(names) <= 1_000
    assert kept.dropped_events == 5_000 - len(names)
    assert kept.dropped_links == 5_000 - len(kept.links)
    exception = next(event for event in kept.events if event.name == "exception").attributes
    assert exception[f"{keys.TRUNCATED_PREFIX}exception.stacktrace"] == 1_000_000
    assert len(exception["exception.stacktrace"]) <= Limits().text


def test_names_keys_and_descriptions_are_bounded():
    """A megabyte where a word is expected does no harm."""
    kept = limited(record({"k" * 1_000_000: 1}, name="n" * 1_000_000, status=Status(StatusCode.ERROR, "d " * 500_000)))
    assert len(kept.name) <= 1_024
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}span.name"] == 1_000_000
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}span.status.description"] == 1_000_000
    assert len(encode([kept])) < 200_000


def test_sequences_mappings_and_bytes_are_bounded():
    """The first entries stay, and the number of all is kept."""
    attributes = {
        "texts": ["x" * 1_000] * 1_000,
        "numbers": [1.5] * 1_000_000,
        "mapping": {str(index): "x" * 100 for index in range(10_000)},
        "bytes": b"x" * 1_000_000,
        "one": ["y" * 1_000_000],
    }
    kept = limited(record(attributes))
    assert kept.attributes["texts"][0] == "x" * 1_000
    assert kept.attributes["texts"][-1].endswith("more]")
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}texts"] == 1_000
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}numbers"] == 1_000_000
    assert isinstance(json.loads(kept.attributes["mapping"]), dict)
    assert len(encode([kept])) < 1_000_000


def test_the_limits_hold_after_redaction_too():
    """A mark may be longer than what it hides."""
    kept = limited(record({"a": "/x?" + "sig=1&" * 30_000}))
    assert len(kept.attributes["a"]) <= Limits().text
    assert kept.attributes[f"{keys.TRUNCATED_PREFIX}a"] > Limits().text


def test_a_mark_is_not_cut_away_with_its_secret():
    """Where all of a long text was one secret, its mark stays."""
    kept = limited(record({"password": "x" * 1_000_000}))
    assert kept.attributes["password"] == "[redacted:password]"


@pytest.mark.parametrize("limits", [{"text": 10}, {"span": 0}, {"attributes": -1}, {"events": 1}])
def test_limits_that_leave_no_room_are_refused(limits):
    """At once, in one line that says what is allowed."""
    with pytest.raises(ConfigurationError, match="allowed: at least"):
        Limits(**limits)


@pytest.mark.parametrize("count", [0, 10, 128])
def test_opentelemetrys_count_limit_leaves_what_gives_a_span_its_meaning(count):
    """At 200 messages kind, model, tokens, first and last message stay, whatever the limit; what is missing is said."""
    attributes = conversation(200) | {f"own.{index}": index for index in range(50)}
    kept = limited(record(attributes), Limits.asked(SpanLimits(attributes=count))).attributes
    assert kept[keys.SPAN_KIND] == "LLM"
    assert kept[keys.LLM_MODEL_NAME] == "m"
    assert kept[keys.LLM_TOKEN_COUNT_PROMPT] == 9
    assert kept["llm.input_messages.0.message.content"] == "0: What is it?"
    assert kept["llm.input_messages.199.message.content"] == "199: What is it?"
    assert kept["llm.output_messages.0.message.content"] == "It is."
    assert (
        kept["llmtrace.omitted.llm.input_messages"] + (len([key for key in kept if "input_messages" in key]) - 1) // 2
        == 200
    )
    if count == 128:
        assert len(kept) <= count
    else:
        assert not [key for key in kept if key.startswith("own.")]
        assert kept["llmtrace.omitted.attributes"] == 50


@pytest.mark.parametrize("length", [0, 5, 40])
def test_opentelemetrys_length_limit_cuts_texts_but_no_names(length):
    """Long texts are cut to the limit; the model's name, the kind and ids are not."""
    attributes = conversation(2, "x" * 500) | {keys.SESSION_ID: "a-rather-long-session-id", "own": "y" * 100}
    kept = limited(record(attributes), Limits.asked(SpanLimits(text=length))).attributes
    assert len(kept["own"]) <= length
    assert len(kept["llm.input_messages.0.message.content"]) <= length
    assert kept["llmtrace.truncated.own"] == 100
    assert (kept[keys.SPAN_KIND], kept[keys.LLM_MODEL_NAME], kept[keys.SESSION_ID]) == (
        "LLM",
        "m",
        "a-rather-long-session-id",
    )


def test_opentelemetrys_limits_of_events_and_links_are_kept():
    """Events, links and their attributes are limited as asked; an alert tag is not among those that go."""
    events = [Event(f"e{number}", {"a": 1, "b": 2}, number) for number in range(30)]
    events[15] = Event(alert.EVENT_NAME, {alert.SEVERITY: "critical"}, 15)
    context = SpanContext(1, 2, is_remote=False)
    asked = SpanLimits(events=5, links=3, event_attributes=1, link_attributes=0)
    kept = limited(record(events=events, links=[Link(context, {"a": 1})] * 9), Limits.asked(asked))
    assert len(kept.events) == 5
    assert alert.EVENT_NAME in [event.name for event in kept.events]
    assert len(kept.links) == 3
    assert all("b" not in (event.attributes or {}) for event in kept.events)
    assert (kept.dropped_events, kept.dropped_links) == (25, 6)


def test_the_limits_come_from_opentelemetrys_variables():
    """Those for spans win over the general ones; without any llmtrace's own stand."""
    env = {
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "7",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "300",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "99",
        "OTEL_SPAN_EVENT_COUNT_LIMIT": "1",
        "OTEL_SPAN_LINK_COUNT_LIMIT": "2",
    }
    assert span_limits(env) == SpanLimits(99, 300, 1, 2, 7, 7)
    assert Limits.asked(span_limits({})) == Limits()
    for text in ("-1", "many", "1.5", "9" * 40):
        with pytest.raises(ConfigurationError, match=r"OTEL_SPAN_EVENT_COUNT_LIMIT=.*allowed: a whole number"):
            span_limits({"OTEL_SPAN_EVENT_COUNT_LIMIT": text})


@given(
    plain_values.filter(lambda value: isinstance(value, list | dict | str)),
    st.integers(80, 400),
    st.booleans(),
    st.sampled_from([None, 1]),
)
@settings(max_examples=300)
@example({"a": 'x"' * 100}, 90, False, None)
@example({"a": "\\" * 100}, 90, False, None)
@example([{"00000000000000000": False, "00": None, "000": None}], 80, False, None)
@example(["é\ud83d\ude00" * 40], 91, True, None)
@example({"k" * 200: 1}, 100, False, None)
@example([1234567890] * 40, 100, False, None)
@example({"a": {"b": {"c": [[[["x" * 200]]]]}}}, 100, False, None)
@example({str(index): index for index in range(60)}, 120, False, 1)
def test_cut_json_is_json_within_the_limit(value, limit, is_ascii, indent):
    """Wherever the cut falls: in a key, a number, an escape, between a key and its value."""
    text = json.dumps(value, ensure_ascii=is_ascii, indent=indent)
    shown = cut(text[: len(text) - 1], limit, 12_345)
    assert len(shown) <= limit
    json.loads(shown)
    assert "…[truncated, 12345 characters]" in shown


@given(any_texts, st.integers(0, 80))
def test_any_text_is_cut_within_the_limit(text, limit):
    """It never raises."""
    assert len(cut(text, limit, 99)) <= limit


@given(
    st.dictionaries(
        st.one_of(any_texts, st.integers(0, 300).map(lambda n: f"llm.input_messages.{n}.message.content")),
        st.one_of(
            any_texts, st.integers(), st.lists(any_texts, max_size=3), st.text("xé", min_size=1_500, max_size=4_000)
        ),
        max_size=40,
    ),
    any_texts,
)
@example({"llmtrace.truncated.": ""}, "n")
@example({"llmtrace.truncated.x": -5, "x": "y" * 3_000}, "n")
@settings(max_examples=60)
def test_whatever_comes_the_limits_hold(attributes, name):
    """Texts, counts and the whole."""
    kept = limited(record({**attributes, keys.LLM_MODEL_NAME: "m"}, name=name), SMALL)
    assert kept.attributes[keys.LLM_MODEL_NAME] == "m"
    assert all(len(value) <= SMALL.text for value in kept.attributes.values() if isinstance(value, str))
    lengths = [value for key, value in kept.attributes.items() if key.startswith(keys.TRUNCATED_PREFIX)]
    assert all(length >= 0 for length in lengths if isinstance(length, int))
