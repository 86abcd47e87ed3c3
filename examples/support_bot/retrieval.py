"""Retrieval over Markdown files: SQLite's full-text search with BM25, one passage for each heading."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_HEADING = re.compile(r"^#{1,6} +(?P<title>.+?) *$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"\w+")
_COMMON = frozenset(
    _WORD.findall(
        "a about all am an and any are as at be been but by can could did do does for from get give has have how i "
        "if in into is it its just let like may me my not of on one or our out please should so some than that the "
        "their them then there these they this to us use used using was we were what when where which who why will "
        "with would you your"
    )
)


@dataclass(frozen=True, slots=True)
class Passage:
    """One section of one page. `score` grows with relevance (BM25, its sign turned) and compares within one search."""

    id: str
    content: str
    score: float = 0.0
    metadata: dict[str, str] = field(default_factory=dict)


class DocsIndex:
    """All Markdown pages under a folder, searchable. Built in memory, since a documentation is small."""

    def __init__(self, folder: Path) -> None:
        self.pages = {
            path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.md"))
        }
        self._database = sqlite3.connect(":memory:")
        self._database.execute(
            "CREATE VIRTUAL TABLE passage USING fts5(id UNINDEXED, page UNINDEXED, heading, content, tokenize='porter')"
        )
        for page, text in self.pages.items():
            rows = [(f"{page}#{number}", page, *section) for number, section in enumerate(_sections(text))]
            self._database.executemany("INSERT INTO passage VALUES (?, ?, ?, ?)", rows)

    def search(self, query: str, top_k: int) -> list[Passage]:
        """The best `top_k` passages, best first; none where no word of the query, common words aside, occurs."""
        words = [word for word in _WORD.findall(query.lower()) if word not in _COMMON]
        if not words:
            return []
        rows = self._database.execute(
            "SELECT id, content, -bm25(passage, 0, 0, 4, 1) AS score, page, heading FROM passage "
            "WHERE passage MATCH ? ORDER BY score DESC LIMIT ?",
            (" OR ".join(f'"{word}"' for word in words), top_k),
        )
        return [
            Passage(id, content, round(score, 3), {"page": page, "heading": heading})
            for id, content, score, page, heading in rows  # noqa: A001 - the column's name
        ]

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """(heading, body) of each section that has a body. A `#` inside a code block is a comment, no heading."""
    masked = _FENCE.sub(lambda block: " " * len(block.group()), text)
    headings = list(_HEADING.finditer(masked))
    ends = [heading.start() for heading in headings[1:]] + [len(text)]
    for heading, end in zip(headings, ends, strict=True):
        if body := text[heading.end() : end].strip():
            yield heading["title"], body
