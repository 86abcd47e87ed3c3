"""Hint rules: checked where they are made, from code and from files."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmtrace
from llmtrace._config import resolve
from llmtrace.exceptions import ConfigurationError
from llmtrace.hints import DEFAULTS, FIELDS, HintRule, When
from llmtrace.hints.file import distinct, load
from llmtrace.semconv.alert import Severity

NEEDED = {
    When.SLOW: {"over": 10},
    When.SLOW_FIRST_TOKEN: {"over": "500ms"},
    When.COST: {"over": 0.5},
    When.TOKENS: {"over": 8_000},
    When.RETRIEVAL_WEAK: {"under": 0.3},
    When.LOW_SCORE: {"under": 0.5},
}


@pytest.mark.parametrize("when", When)
def test_each_condition_makes_a_rule(when):
    """Every condition can be named by its word, and needs its own limit and no other."""
    rule = HintRule("r", when.value, "error", **NEEDED.get(when, {}))
    assert rule.when is when
    assert rule.severity is Severity.ERROR
    assert rule.kinds


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("10s", 10.0), ("2m", 120.0), (3, 3.0), (0.25, 0.25), (" 1.5s ", 1.5)]
)
def test_times_are_seconds_or_durations(text, seconds):
    """A time is a number of seconds or a duration with its unit."""
    assert HintRule("r", "slow", over=text).over == seconds


@pytest.mark.parametrize(
    ("given", "key", "allowed"),
    [
        ({"when": "sometimes"}, "when", "exception, slow"),
        ({"severity": "fatal"}, "severity", "critical, error, warning, info"),
        ({"severity": None}, "severity", "critical, error, warning, info"),
        ({"when": "slow"}, "over", "seconds or a duration"),
        ({"when": "slow", "over": "10 parsecs"}, "over", "500ms, 10s, 2m"),
        ({"when": "slow", "over": True}, "over", "seconds"),
        ({"when": "slow", "over": float("nan")}, "over", "seconds"),
        ({"when": "cost", "over": -1}, "over", "not below 0"),
        ({"when": "cost", "over": "10s"}, "over", "a number"),
        ({"when": "low_score"}, "under", "a number"),
        ({"when": "refusal", "over": 3}, "over", "nothing, for when=refusal"),
        ({"when": "slow", "over": 3, "under": 3}, "under", "nothing, for when=slow"),
        ({"exceptions": "ValueError"}, "exceptions", "a list of texts"),
        ({"exceptions": [""]}, "exceptions", "a list of texts"),
        ({"when": "refusal", "exceptions": ["X"]}, "exceptions", "nothing, for when=refusal"),
        ({"score": "faithful"}, "score", "nothing, for when=exception"),
        ({"kinds": ["LLMS"]}, "kinds", "LLM, EMBEDDING"),
        ({"team": 7}, "team", "a text"),
        ({"key": " "}, "key", "a text"),
        ({"regulated": "yes"}, "regulated", "true, false"),
        ({"segment": ["a"]}, "segment", "a mapping of texts to texts"),
        ({"segment": {"tier": 1}}, "segment", "a mapping of texts to texts"),
        ({"routes": [1]}, "routes", "a list of texts"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_is_allowed(given, key, allowed):
    """The message names the rule, the field, the value and what is allowed, in one line."""
    with pytest.raises(ConfigurationError) as caught:
        HintRule(**{"name": "my-rule", "when": "exception", **given})
    message = str(caught.value)
    assert message.startswith(f"hint rule my-rule: {key}=")
    assert allowed in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, None, 7, "ü"])
def test_a_name_can_stand_in_a_label(name):
    """Letters, digits and three signs: the name becomes the label `source`."""
    with pytest.raises(ConfigurationError, match="hint rule name="):
        HintRule(name, "refusal")


@given(
    st.dictionaries(
        st.sampled_from(["severity", "over", "under", "exceptions", "kinds", "team", "segment", "routes", "regulated"]),
        st.one_of(st.none(), st.booleans(), st.floats(), st.text(), st.lists(st.text(max_size=3), max_size=2)),
    ),
    st.one_of(st.sampled_from(When), st.text(max_size=5)),
)
def test_any_fields_make_a_rule_or_one_configuration_error(fields, when):
    """Whatever stands in a file: a rule, or a ConfigurationError of one line, and no other exception."""
    rule, message = None, ""
    try:
        rule = HintRule("r", when, **fields)
    except ConfigurationError as error:
        message = str(error)
    assert rule is not None or "allowed: " in message
    assert rule is None or (isinstance(rule.kinds, tuple) and isinstance(rule.severity, Severity))


TOML = """
    defaults = true

    [[rules]]
    name = "slow-answers"
    when = "slow"
    over = "10s"
    severity = "error"
    models = ["gpt-4*"]
    segment = {tier = "premium"}
"""
RULE = HintRule("slow-answers", "slow", "error", over=10, models=["gpt-4*"], segment={"tier": "premium"})


@pytest.mark.parametrize("suffix", ["toml", "json", "yaml"])
def test_a_file_says_what_code_says(tmp_path, suffix):
    """TOML, JSON and YAML give the same rules, after the defaults where the file asks for them."""
    document = {
        "defaults": True,
        "rules": [
            {
                "name": "slow-answers", "when": "slow", "over": "10s", "severity": "error", "models": ["gpt-4*"],
                "segment": {"tier": "premium"},
            }
        ],
    }  # fmt: skip
    file = tmp_path / f"hints.{suffix}"
    file.write_text(textwrap.dedent(TOML) if suffix == "toml" else json.dumps(document))  # JSON is YAML
    assert load(file) == (*DEFAULTS, RULE)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("h.toml", "rules = [", "this is no TOML"),
        ("h.json", "[1, 2", "this is no JSON"),
        ("h.yaml", "a: [", "this is no YAML"),
        ("h.json", "[]", "the file holds a list; allowed: the keys defaults, rules"),
        ("h.json", '{"rule": []}', "'rule' is no key; allowed: defaults, rules"),
        ("h.json", '{"rules": 3}', "rules=3; allowed: a list of rules"),
        ("h.json", '{"defaults": 3}', "defaults=3; allowed: true, false"),
        ("h.json", '{"rules": [3]}', "rules[0]=3; allowed: a rule with the keys name, when"),
        ("h.json", '{"rules": [{"when": "refusal"}]}', "rules[0]: name is missing"),
        ("h.json", '{"rules": [{"name": "r"}]}', "rules[0]: when is missing"),
        ("h.json", '{"rules": [{"name": "r", "when": "refusal", "sevrity": "info"}]}', "'sevrity' is no key"),
        ("h.json", '{"rules": [{"name": "r", "when": "slow"}]}', "rules[0]: hint rule r: over=None; allowed: seconds"),
        ("h.ini", "", "allowed: a file named *.toml, *.json, *.yaml or *.yml"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_one_line_with_the_file_the_rule_and_the_key(tmp_path, name, text, told):
    """The message names the file, where in it, the key, its value and what is allowed."""
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file)
    message = str(caught.value)
    assert told in message
    assert str(file) in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path):
    """The path stands in the message."""
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml' cannot be read"):
        load(tmp_path / "nowhere.toml")


def test_two_rules_of_one_name_are_refused():
    """A name stands for one rule: alerts say which rule they come from."""
    with pytest.raises(ConfigurationError, match="name='a' is there twice"):
        distinct([HintRule("a", "refusal"), HintRule("a", "abandoned")])


def test_the_defaults_are_few_and_leave_tagged_spans_alone():
    """Only failures, and never beside a tag of the application."""
    assert {rule.when for rule in DEFAULTS} == {When.EXCEPTION, When.TOOL_FAILURE}
    assert all(rule.unless_tagged for rule in DEFAULTS)


def test_the_guide_names_every_condition_and_every_key():
    """What a rule can look for and what it may have stands in docs/how-to/severity-hints.md, with the default kinds."""
    page = (Path(llmtrace.__file__).parent.parent / "docs/how-to/severity-hints.md").read_text()
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]*) \|$", page, re.MULTILINE))
    for when in When:
        kinds = HintRule("r", when, **NEEDED.get(when, {})).kinds
        assert rows[when.value] == ("any" if kinds == ("*",) else ", ".join(f"`{kind}`" for kind in kinds))
    assert [field for field in FIELDS if f"`{field}`" not in page] == []


def test_a_switch_that_is_no_file_names_the_variable(monkeypatch):
    """LLMTRACE_HINTS, not the argument, where the variable is what is wrong."""
    with pytest.raises(ConfigurationError, match=r"LLMTRACE_HINTS='nowhere\.toml' cannot be read"):
        resolve(env={"LLMTRACE_HINTS": "nowhere.toml"})
