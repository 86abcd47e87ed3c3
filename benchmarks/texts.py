"""Texts that never come twice, in the sizes of the unit of work: prose of ordinary words, and JSON rows of it.

For who must not gain by having read a text before, as redaction does with those that it found clean.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workload import TOOL_CALL

_WORDS = sorted(set(re.findall(r"[a-z]{2,12}", Path(__file__).parents[1].joinpath("README.md").read_text())))
_ENDS = ("", "", "", "", "", "", ",", ".", ".\n")


def prose(chance: random.Random, size: int) -> str:
    """So many characters of words, with some punctuation."""
    words = [word + chance.choice(_ENDS) for word in chance.choices(_WORDS, k=size // 5)]
    return " ".join(words)[:size]


def rows(chance: random.Random, size: int) -> str:
    """About so many characters of JSON, as a tool answers with it."""
    made = [
        {
            "id": chance.randrange(100_000),
            "name": prose(chance, 20),
            "score": round(chance.random(), 3),
            "active": True,
            "description": prose(chance, 100),
        }
        for _ in range(size // 200)
    ]
    return json.dumps(made)


def conversations(count: int, seed: int) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Messages as in `workload`, and an answer."""
    chance = random.Random(seed)  # noqa: S311 - which words come next
    for _ in range(count):
        yield (
            [
                {"role": "system", "content": prose(chance, 1024)},
                {"role": "user", "content": prose(chance, 500)},
                {"role": "assistant", "content": None, "tool_calls": [TOOL_CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": rows(chance, 2048)},
            ],
            prose(chance, 800),
        )
