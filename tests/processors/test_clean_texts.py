"""What redaction remembers of the texts that it has read."""

from __future__ import annotations

from records import record

from llmtrace.processors.clean_texts import CleanTexts
from llmtrace.processors.redaction import redaction
from llmtrace.processors.redaction_rules import Rule

SECRET = "password=Xk29vQz7Lm4p"


def test_what_is_remembered_is_bounded():
    """Of endless texts the last ones stay, in two generations of the characters that are allowed."""
    known = CleanTexts(most=10_000)
    for number in range(10_000):
        known.add((f"text {number}",))
        assert sum(map(len, known.young)) + sum(map(len, known._old)) <= 20_000
    assert "text 9999" in known
    assert "text 0" not in known


def test_what_is_asked_for_stays():
    """A system prompt that every span repeats is remembered, however many other texts come between."""
    known = CleanTexts(most=10_000)
    known.add(("prompt",))
    for number in range(1_000):
        known.add((f"text {number}",))
        assert known.unknown(["prompt"]) == []


def test_long_texts_are_not_remembered():
    """A text of a megabyte would push out all others."""
    known = CleanTexts()
    known.add(("a" * 1_000_000,))
    assert not known.young


def test_a_text_with_a_secret_is_found_each_time():
    """What had a secret is not remembered as clean, beside texts that are; and it is no less hidden the second time."""
    step = redaction()
    for _ in range(3):
        hidden = step(record({"a": "clean", "b": SECRET, "c": "clean too"}, name=SECRET))
        assert "Xk29" not in str(hidden)
        assert hidden.attributes["a"] == "clean"
    assert not any("Xk29" in text for text in step._clean.young)


def test_a_value_is_judged_by_its_key_though_its_text_is_known():
    """A text that is harmless under one key is hidden under the name of a secret."""
    step = redaction()
    assert step(record({"note": "hunter two"})).attributes == {"note": "hunter two"}
    assert step(record({"password": "hunter two"})).attributes == {"password": "[redacted:password]"}
    assert step(record({"note": "hunter two"})).attributes == {"note": "hunter two"}


def test_a_rule_is_given_every_text_of_every_span():
    """Nothing that a rule of the user's has to look at is taken as known."""
    seen = []

    def rule(text):
        seen.append(text)
        return text

    step = redaction((Rule("mine", rule),))
    for _ in range(2):
        step(record({"a": "the same text"}))
    assert seen.count("the same text") == 2
