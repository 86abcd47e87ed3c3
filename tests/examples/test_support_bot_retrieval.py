"""Retrieval over Markdown pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.support_bot.questions import QUESTIONS, Outcome
from examples.support_bot.retrieval import DocsIndex

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def index_of(tmp_path):
    """Builds an index of pages, given by name and text."""
    indexes = []

    def build(**pages):
        for name, text in pages.items():
            (tmp_path / f"{name}.md").write_text(text, "utf-8")
        indexes.append(DocsIndex(tmp_path))
        return indexes[-1]

    yield build
    for index in indexes:
        index.close()


def test_it_finds_the_section(index_of):
    """The passage that fits best comes first, with its page and heading, and its score is the highest."""
    index = index_of(
        bread="# Bread\n\nFlour and water.\n\n## Rye\n\nRye needs time.\n", tea="# Tea\n\nWater, and rye crackers.\n"
    )
    first, second = index.search("How much time does rye need?", 5)
    assert (first.content, first.metadata) == ("Rye needs time.", {"page": "bread.md", "heading": "Rye"})
    assert second.metadata["page"] == "tea.md"
    assert first.score > second.score


def test_it_gives_no_more_than_asked_for(index_of):
    """`top_k` bounds the result."""
    index = index_of(**{f"page{number}": "# Rye\n\nRye.\n" for number in range(5)})
    assert len(index.search("rye", 3)) == 3


@pytest.mark.parametrize("query", ["sourdough", "what is the", "", '"*" OR (', "ラーメン"])
def test_it_finds_nothing(index_of, query):
    """Unknown words, common words alone and characters of the query language find nothing, and nothing raises."""
    assert index_of(rye="# Rye\n\nWhat is the rye?\n").search(query, 3) == []


def test_a_comment_in_a_code_block_is_no_heading(index_of):
    """A `#` inside a fence stays in its section."""
    index = index_of(rye="# Rye\n\nBake:\n\n```sh\n# first\nbake rye\n```\n")
    (passage,) = index.search("rye", 3)
    assert "# first" in passage.content


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.text)
def test_the_documentation_answers_the_demos_questions(question):
    """Each question of the demo finds a passage in docs/, except the one that is there to find none."""
    index = DocsIndex(DOCS)
    found = index.search(question.text, 3)
    index.close()
    assert bool(found) == (question.outcome is not Outcome.NOTHING_FOUND)
