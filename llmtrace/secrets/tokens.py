"""Tokens in a text: whether it shows the beginning of one, and each replaced by its mark.

What kinds there are, and how they begin, stands in `token_kinds`.
"""

from __future__ import annotations

import re
from functools import cache, partial
from typing import Final

from llmtrace.secrets.backwards import turned
from llmtrace.secrets.marks import mark
from llmtrace.secrets.randomness import looks_random
from llmtrace.secrets.token_kinds import TOKENS, Token

_BARE_OPENAI: Final = re.compile(r"[A-Z0-9]|[a-z]{16}")
"""What a bare ``sk-`` key has, and ``sk-learn-based-pipeline`` has not."""
_VOYAGE: Final = re.compile(r"pa-(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])(?=[^0-9]*[0-9])[A-Za-z0-9_-]*?[A-Za-z0-9]{12}")
"""What a ``pa-`` key has, and a name of many words with hyphens between them has not."""
_JWT: Final = re.compile(r"[^.]{13,}\.[^.]{2}")
_AWS_SECRET: Final = re.compile(r"[A-Za-z0-9/+=]{40,}")
_AWS_SECRET_LENGTH: Final = 40
# What stands before a word: no letter or digit, unless it belongs to an escape of JSON, of a URL or of a terminal.
_WORD_STARTS: Final = (
    r"(?:(?<![A-Za-z0-9]{0})|(?<=\\[nrtbfv]{0})|(?<=\\u[0-9a-fA-F]{{4}}{0})|(?<=%[0-9A-Fa-f]{{2}}{0})|(?<=\[[0-9]m{0})"
    r"|(?<=\[[0-9]{{2}}m{0}))"
)


@cache
def _pattern(token: Token) -> re.Pattern[str]:
    """Compiled when a text first shows the anchor: most processes never see most kinds."""
    anchors = "|".join(re.escape(anchor) for anchor in token.anchors)
    # The look at what stands before comes after the anchor: so the engine can leap from anchor to anchor.
    starts = _WORD_STARTS.format(anchors) if token.is_word else ""
    return re.compile(f"(?:{anchors}){starts}{token.body}")


_RARE: Final = "-_.J"
"""Last letters of anchors that are rarer in a text than the first."""
_CLOSER: Final = {
    "AA": "(?<=:A)A",
    "SK": "K(?=[0-9a-f]{16})",
    "dapi": "api(?=[0-9a-f]{32})",
}
"""Short anchors need a closer look, or ordinary text would be full of them."""
_BEGINNING: Final = {"d": "dapi"}
"""What is asked for first where the first letter is in every text."""
_VOYAGE_TURNED: Final = (b"-", re.compile(rb"-(?<=[A-Za-z0-9_-]{40}.)(?=(ap))"))
"""Many words end like this anchor: it is one only before as much as a key has."""


def _turned_signs() -> tuple[tuple[bytes, re.Pattern[bytes]], ...]:
    """The rare letters that anchors end in -> what stands before them, read from the end."""
    anchors = {anchor for token in TOKENS for anchor in token.anchors}
    anchors.remove("pa-")
    ending = {last: {anchor[:-1] for anchor in anchors if anchor[-1] == last} for last in _RARE}
    usual = (
        (last.encode(), re.compile(f"{re.escape(last)}(?<=[A-Za-z0-9_-].)(?=({turned(words)}))".encode()))
        for last, words in ending.items()
    )
    return (*usual, _VOYAGE_TURNED)


def _plain_signs() -> tuple[tuple[bytes, re.Pattern[bytes]], ...]:
    """The first letters of all other anchors, or a little more -> what follows them."""
    plain = sorted({anchor for token in TOKENS for anchor in token.anchors if anchor[-1] not in _RARE})
    return tuple(
        (
            _BEGINNING.get(first, first).encode(),
            re.compile(f"{first}(?=({'|'.join(_CLOSER.get(a, a[1:]) for a in plain if a[0] == first)}))".encode()),
        )
        for first in sorted({anchor[0] for anchor in plain})
    )


_TURNED_SIGNS: Final = _turned_signs()
_PLAIN_SIGNS: Final = _plain_signs()


def has_token_sign(raw: bytes, turned_raw: bytes) -> bool:
    """Whether a token could begin anywhere in this text.

    Args:
        raw: its bytes.
        turned_raw: the same, from the last to the first.
    """
    for beginning, sign in _PLAIN_SIGNS:
        if beginning in raw and sign.search(raw):
            return True
    return any(letter in raw and sign.search(turned_raw) for letter, sign in _TURNED_SIGNS)


def _signs(raw: bytes) -> set[str]:
    """The anchors in this text, each as far as it has to be read to know it from ordinary words."""
    turned_raw = raw[::-1]
    found = {(before[::-1] + last).decode() for last, sign in _TURNED_SIGNS for before in sign.findall(turned_raw)}
    return found.union(
        (beginning[:1] + after).decode() for beginning, sign in _PLAIN_SIGNS for after in sign.findall(raw)
    )


@cache
def _kinds(sign: str) -> frozenset[int]:
    """Which lines of the table begin like this."""
    return frozenset(at for at, token in enumerate(TOKENS) if any(anchor.endswith(sign) for anchor in token.anchors))


def hide_tokens(text: str) -> str:
    """Replace each token of the table; next to an AWS access key id also the secret key."""
    signs = _signs(text.encode("utf-8", "replace"))
    for at in sorted(frozenset().union(*map(_kinds, signs))):
        text = _pattern(TOKENS[at]).sub(partial(_replacement, TOKENS[at].kind), text)
    if mark("aws_access_key") in text:
        text = _AWS_SECRET.sub(_aws_secret, text)
    return text


def _replacement(kind: str, found: re.Match[str]) -> str:
    value = found[0]
    if kind == "jwt" and not _JWT.match(value):
        return value
    if kind == "openai_key" and not _BARE_OPENAI.search(value) and not value.startswith(_OPENAI_PREFIXES):
        return value
    if kind == "voyage_key" and not _VOYAGE.match(value):
        return value
    if kind == "api_key" and not looks_random(value.rpartition("_")[2]):
        return value
    return mark(kind)


_OPENAI_PREFIXES: Final = next(token.anchors for token in TOKENS if token.kind == "openai_key")


def _aws_secret(found: re.Match[str]) -> str:
    value = found[0]
    is_mixed = any(letter.isupper() for letter in value) and any(letter.islower() for letter in value)
    return mark("aws_secret_key") if len(value) == _AWS_SECRET_LENGTH and is_mixed else value
