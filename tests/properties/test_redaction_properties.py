"""Redaction leaks nothing, changes nothing else, never raises, and its patterns are those of a linear-time engine."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st
from records import record
from secret_canaries import BY_VALUE, TRACES
from strategies import any_texts, plain_values

from llmtrace.exporters.otlp import encode
from llmtrace.processors.redaction import redaction
from llmtrace.secrets import _RULES as RULES
from llmtrace.secrets import MARK, cards, commands, phrases, redact, schemes, suspected, token_kinds, tokens, urls
from llmtrace.secrets import named as named_rule

PIECES = (
    "password",
    "token",
    "api_key",
    "Authorization",
    "cookie",
    "secret",
    "credentials",
    "=",
    ":",
    " : ",
    '"',
    "'",
    "\\",
    '\\"',
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ",",
    "\n",
    "\\n",
    " ",
    "://",
    "@",
    "?",
    "&",
    "%3D",
    "<",
    ">",
    "</",
    "--",
    "-",
    "sk-",
    "eyJ",
    ".",
    "Bearer ",
    "Basic ",
    "4111",
    "1111 ",
    "[redacted:",
    "password]",
    "…[truncated, 9 characters]",
    "true",
    "null",
    "x",
    "Zq7Xw2Rt9",
    "-----BEGIN ",
    "PRIVATE KEY-----",
    "\u0130",
    "\ud800",
    "é",
    "\x00",
    '"type":"string"',
    "value",
    "http",
    "key",
    "#",
    ";",
)
crooked_texts = st.lists(st.sampled_from(PIECES), max_size=24).map("".join)
"""Texts made of what the rules look for, in any order."""
words = st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyz ,\n"), max_size=40)
NO_VALUES = ("", "none", "true", "false", "null", "nil", "undefined")
secrets = st.sampled_from(sorted(BY_VALUE.values()))


@given(st.one_of(crooked_texts, any_texts, secrets))
@settings(max_examples=400)
@example("password=[redacted:password]")
@example("[redacted:api_key]: x1")
@example("?password=#}")
@example("?password=##,x")
@example('{"password": "a[redacted:jwt]b"}')
def test_redacting_twice_changes_nothing_more(text):
    """Whatever the text: it never raises, and a mark is never mistaken for a secret."""
    once = redact(text)
    assert redact(once) == once


@given(crooked_texts, words, secrets)
@settings(max_examples=300)
def test_a_secret_between_spaces_is_hidden_whatever_is_around(before, after, secret):
    """No surrounding text makes a rule look away."""
    hidden = redact(f"{before}\n {secret} \n{after}")
    assert [piece for piece in TRACES if piece in hidden and piece not in before] == []


@given(st.text(st.sampled_from("abcdefghijklmnopqrstuvwxyzäöü ,.\n!?"), max_size=400))
@example("the court session ended. a token of love, and no secret was told!")
def test_prose_is_left_alone(text):
    """Words without a colon, digits or capitals are the very same object afterwards."""
    assert redact(text) is text


@given(plain_values, st.sampled_from([None, 1, " "]), st.booleans())
@settings(max_examples=200)
def test_json_stays_json(value, indent, is_ascii):
    """However it is written, and with crooked texts in it."""
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    json.loads(redaction().text(text))


@given(
    st.dictionaries(
        st.one_of(crooked_texts, st.sampled_from(["password", "a"])), st.one_of(crooked_texts, secrets), max_size=4
    )
)
@settings(max_examples=400)
@example({"password": '"'})
@example({"a": '{"password": 4111111111111111}'})
@example({"a": "4111111111111111"})
def test_json_of_crooked_texts_stays_json(value):
    """Also in two layers, and no key is lost but by being hidden."""
    for text in (json.dumps(value), json.dumps({"inner": json.dumps(value)}), json.dumps(value, ensure_ascii=False)):
        hidden = redaction().text(text)
        assert len(json.loads(hidden)) <= len(json.loads(text))


@given(st.dictionaries(st.sampled_from(["password", "api_key", "a", "b"]), words, min_size=1), st.integers(0, 3))
@settings(max_examples=200)
def test_secret_keys_lose_their_value_and_others_keep_it(value, levels):
    """At any depth of JSON in JSON: exactly the secret values are replaced."""
    wanted = {
        k: f"[redacted:{k}]" if k in ("password", "api_key") and v.strip() not in NO_VALUES else v
        for k, v in value.items()
    }
    text = json.dumps(value)
    for _ in range(levels):
        text = json.dumps({"inner": text})
    hidden = json.loads(redact(text))
    for _ in range(levels):
        hidden = json.loads(hidden["inner"])
    blank = {k: v for k, v in value.items() if not v.strip()}
    assert {**hidden, **blank} == {**wanted, **blank}


@given(crooked_texts, crooked_texts)
@settings(max_examples=300)
@example("", "-password password--")
def test_the_first_look_never_overlooks_what_a_rule_would_find(before, after):
    """Where it sees no sign, every rule, asked all the same, changes nothing."""
    text = before + after
    signs = suspected(text)
    for sign, rule in RULES:
        if sign not in signs:
            assert rule(text) == text


@pytest.mark.parametrize("kind", BY_VALUE)
def test_the_first_look_sees_every_kind(kind):
    """And so it is never the reason of a leak."""
    assert suspected(BY_VALUE[kind])


names_in_text = st.lists(
    st.one_of(
        st.sampled_from(["pass", "_word", "api", "-key", "token", "jwt", "auth", "hash", "_1", "x", " ", "\\\\", "]"]),
        st.sampled_from([*":=>,\"'`", ":=", "=>", "==", "::", ": ", ',"', '": "']),
    ),
    max_size=30,
).map("".join)


@given(st.one_of(names_in_text, crooked_texts, secrets))
@example("password:=>token==x")
@example("apikey,=jwt:")
def test_names_are_found_from_behind_as_from_before(text):
    """Reading from the end, which is faster, misses no name and invents none."""
    found = [(at.start(1), at.span(2)) for at in named_rule.candidates(text.lower())]
    assert found == [(at.start(1), at.span(2)) for at in named_rule.CANDIDATE.finditer(text.lower())]


@given(
    st.one_of(crooked_texts, st.lists(st.one_of(secrets, st.sampled_from(["sk-", "-ant-", "AKIA", ":A"]))).map("".join))
)
@example("1234567:AAKIAIOSFODNN7EXAMPLE")
@example("sk-ant-sk-proj-abcdefghijkl0")
@settings(max_examples=100)
def test_tokens_are_those_of_the_whole_table(text):
    """Looking only for the kinds whose beginning stands in the text leaves out none that would be found."""
    whole = text
    for token in token_kinds.TOKENS:
        whole = tokens._pattern(token).sub(partial(tokens._replacement, token.kind), whole)
    found = tokens.hide_tokens(text)
    assert found == whole or "aws_" in found


PATTERNS = {
    "cards": cards.PATTERN,
    "credentials": schemes.PATTERN,
    "url user": urls.USER,
    "url query": urls.QUERY,
    "encoded query": urls.ENCODED,
    "encoded address": urls.ENCODED_USER,
    "said": phrases.SAID,
    "sql": phrases.SQL,
    "login": phrases.LOGIN,
    "curl": commands.CURL,
    "password behind its flag": commands.ATTACHED,
    "password after its flag": commands.APART,
    "form": phrases.FORM,
    "named": named_rule.CANDIDATE,
}


@pytest.mark.parametrize("name", PATTERNS)
@given(text=st.one_of(crooked_texts, secrets))
@settings(max_examples=60)
@example(text="x")
def test_re2_finds_the_same(name, text):
    """The patterns that decide are regular: RE2, which cannot backtrack, accepts them and finds the same places."""
    pattern = PATTERNS[name]
    text = text.encode("utf-8", "replace").decode()
    source = _plain(pattern)
    assert [found.span() for found in re2.finditer(source, text)] == [found.span() for found in pattern.finditer(text)]


def _plain(pattern):
    """The pattern without the layout of re.VERBOSE, which RE2 does not know."""
    if not pattern.flags & re.VERBOSE:
        return pattern.pattern
    return re.sub(r"\s+", "", re.sub(r"(?<!\\)#.*", "", pattern.pattern).replace("[ \\t]", "[\\x20\\t]")).replace(
        "\\#", "#"
    )


@pytest.mark.parametrize(
    "token", [token for token in token_kinds.TOKENS if "(?<" not in token.body], ids=lambda token: token.anchors[0]
)
@given(text=st.one_of(secrets, st.tuples(crooked_texts, secrets).map("".join)))
@settings(max_examples=20)
def test_re2_finds_the_same_tokens(token, text):
    """Each line of the table, as RE2 reads it."""
    source = f"(?:{'|'.join(map(re.escape, token.anchors))}){token.body}"
    text = text.encode("utf-8", "replace").decode()
    assert re2.findall(source, text) == re.findall(source, text)


@given(
    st.dictionaries(
        st.one_of(any_texts, crooked_texts),
        st.one_of(any_texts, crooked_texts, st.integers(), st.floats(), st.booleans()),
        max_size=4,
    ),
    secrets,
)
@example({"": ":0 …[truncated, "}, "x 4111 1111 1111 1111")
@settings(max_examples=100)
def test_a_record_of_anything_is_redacted_once_and_for_all(attributes, secret):
    """It never raises, a second time changes nothing, and the secret among crooked neighbours is in no byte."""
    step = redaction()
    redacted = step(record({**attributes, "x": secret}))
    assert step(redacted).attributes == redacted.attributes or any(
        isinstance(value, float) for value in attributes.values()
    )
    wire = encode([redacted])
    assert MARK.search(wire.decode("latin-1"))
