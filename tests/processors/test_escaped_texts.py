"""What is remembered of the texts that stand in derived values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from llmtrace._values.plain import quote
from llmtrace.processors.escaped_texts import EscapedTexts


@given(st.lists(st.lists(st.text(st.characters(max_codepoint=0x3000))), max_size=5))
def test_each_text_is_escaped_as_json_does_it_however_often_it_comes(conversations):
    """Remembered or not, and while all is forgotten in the middle: a text is written as the JSON encoder writes it."""
    known = EscapedTexts(most=300)
    for texts in conversations * 2:
        assert [f'"{text}"' for text in known.of(texts)] == [quote(text) for text in texts]


def test_what_is_remembered_is_bounded():
    """Of endless texts no more characters stay than are allowed, and none of one that would push out all others."""
    known = EscapedTexts(most=10_000)
    for number in range(1_000):
        known.of([f'text "{number}"', "prompt", "a" * 70_000])
        assert sum(map(len, (*known._known, *known._known.values()))) <= 20_000
    assert "prompt" in known._known


def test_a_text_that_comes_again_is_not_escaped_again():
    """A system prompt: the very same text stands for it each time."""
    known = EscapedTexts()
    prompt = 'a "prompt"\n'
    (first,) = known.of([prompt])
    (second,) = known.of(["".join(list(prompt))])
    assert second is first
