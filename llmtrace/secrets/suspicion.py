"""One cheap look at a text: which rules could find anything in it. A clean LLM span costs a few microseconds.

Never a false "no": every rule's finding shows one of these signs. The look is made of operations that run over the
bytes at memory speed (``translate``, ``find``); regular expressions see only what is left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import Flag, auto
from typing import Final, NamedTuple

from llmtrace.secrets.backwards import turned
from llmtrace.secrets.names import QUERY, STRONG, SUFFIXES, WEAK, WEAK_QUERY
from llmtrace.secrets.tokens import has_token_sign
from llmtrace.secrets.urls import ENCODED_AT, ENCODED_JSON, USER


class Suspicion(Flag):
    """Which rules have to look closer."""

    KEY_BLOCK = auto()
    TOKEN = auto()
    URL = auto()
    NAMED = auto()
    CREDENTIALS = auto()
    SAID = auto()
    COMMAND = auto()
    CARD = auto()


_NOTHING: Final = Suspicion(0)
EVERYTHING: Final = ~_NOTHING
_CARD: Final = re.compile(b"0" * 13 + rb"(?<!00{13})(?<!0\.0{13})")
"""Thirteen digits that are no decimals. The check of what stands before comes last: the engine leaps to the zeros."""
_FLAG: Final = re.compile(rb"-(?<=--)(?=[A-Za-z])")
_LOGIN: Final = re.compile(rb"@[A-Za-z0-9.-]{1,253}:[^\s/]")
_SHORT_FLAG: Final = re.compile(rb"-(?<=[ \t\"'`,=\\-]-)[pawuU]")
_PROGRAMS: Final = (b"curl ", b"mysql", b"mariadb", b"sshpass", b"mongo", b"login", b"redis-cli", b"ldap")
_SCHEME: Final = re.compile(rb"b(?:(?<=reraeb)|(?<=cisab))")
"""Read from the end."""
_DIGITS: Final = b"0" * 13
_ENDING_LENGTH: Final = 6


def _squeeze_table() -> bytes:
    """Small letters, each digit a 0; whatever separates a name from its value is ``:``, save the ``=`` of URLs."""
    table = bytearray(bytes(range(256)).lower())
    for separator in b">,":
        table[separator] = ord(":")
    for digit in b"0123456789":
        table[digit] = ord("0")
    return bytes(table)


_SQUEEZED: Final = _squeeze_table()
_DELETED: Final = b"\"'`\\ \t-_.[])"
_ZEROS: Final = bytes(ord("0") if chr(code).isdecimal() else code for code in range(128)) + bytes(range(128, 256))


def _endings(*tables: Iterable[str]) -> str:
    """The ends of secrets' names, of which only the last letters are compared."""
    return turned({name.rstrip("0123456789")[-_ENDING_LENGTH:] for table in tables for name in table})


_NAMED: Final = re.compile(f":{_endings(STRONG, WEAK, SUFFIXES)}".encode())
_ASSIGNED: Final = re.compile(f"={_endings(STRONG, WEAK, SUFFIXES)}".encode())
_PARAMETER: Final = re.compile(f"={_endings(STRONG, SUFFIXES, QUERY, WEAK_QUERY)}".encode())
_ENCODED_PARAMETER: Final = re.compile(f"d%{_endings(STRONG, SUFFIXES, QUERY, WEAK_QUERY)}".encode())
_SAID: Final = (b"word", b"phrase", b"code", b"key", b"secret", b"token", b" ")
_STATED: Final = (b"BY", b"by", b"PASSWORD", b"password", b" ")
"""What a sentence and a statement have before " is " and " '", that go on with a secret, or one blank of several."""


def suspected(text: str, among: Suspicion = EVERYTHING) -> Suspicion:
    """The signs in this text; falsy for a clean one.

    Args:
        text: any text.
        among: no others are looked for: of a text that was seen together with others, those that all of them had.
    """
    raw = text.encode("utf-8", "replace")
    turned_raw = raw[::-1]
    squeezed = turned_raw.translate(_SQUEEZED, _DELETED)
    seen = _Seen(text, raw, turned_raw, squeezed, squeezed.replace(b"0", b""))
    found = _NOTHING
    for sign, look in _LOOKS:
        if (among is EVERYTHING or sign in among) and look(seen):
            found |= sign
    return found


class _Seen(NamedTuple):
    """A text in the forms that the looks read; "turned" is read from the end.

    Attributes:
        text: as it is.
        raw: its bytes.
        turned_raw: the same.
        turned_squeezed: letters are small, digits 0, what separates a name from its value ``:``, the rest is gone.
        turned_names: without the digits, which may stand behind a name.
    """

    text: str
    raw: bytes
    turned_raw: bytes
    turned_squeezed: bytes
    turned_names: bytes


# A byte that is not there is found missing at memory speed: it is asked for before a pattern that needs it.


def _has_key_block(seen: _Seen) -> bool:
    return "PRIVATE KEY" in seen.text


def _has_token(seen: _Seen) -> bool:
    return has_token_sign(seen.raw, seen.turned_raw)


def _has_url_secret(seen: _Seen) -> bool:
    text, raw, names = seen.text, seen.raw, seen.turned_names
    if b"=" in raw and _PARAMETER.search(names):
        return True
    if b"%" in raw and (_ENCODED_PARAMETER.search(names) or ENCODED_AT.search(text)):
        return True
    if b"%" in raw and b"22" in raw and ENCODED_JSON.search(text):
        return True
    if b"/" not in raw or (b"//" not in raw and b"\\/" not in raw):
        return False
    return b"hooks.slack.com" in raw or b"/api/webhooks/" in raw or (b"@" in raw and USER.search(text) is not None)


def _is_named(seen: _Seen) -> bool:
    if _NAMED.search(seen.turned_names) or (b"=" in seen.raw and _ASSIGNED.search(seen.turned_names)):
        return True
    return b"--" in seen.raw and _FLAG.search(seen.raw) is not None


def _has_credentials(seen: _Seen) -> bool:
    return _SCHEME.search(seen.turned_squeezed) is not None


def _is_said(seen: _Seen) -> bool:
    raw = seen.raw
    if (b"=" in raw and b"value=" in raw) or _goes_on(raw, b" is ", _SAID):
        return True
    return (b"'" in raw and _goes_on(raw, b" '", _STATED)) or (b"@" in raw and _LOGIN.search(raw) is not None)


def _goes_on(raw: bytes, sign: bytes, words: tuple[bytes, ...]) -> bool:
    """Whether the sign stands behind one of these words."""
    before = raw.split(sign)
    del before[-1]
    return any([piece.endswith(words) for piece in before])  # noqa: C419 - a generator takes longer


def _is_command(seen: _Seen) -> bool:
    raw = seen.raw
    return b"-" in raw and _SHORT_FLAG.search(raw) is not None and any(name in raw for name in _PROGRAMS)


def _has_card(seen: _Seen) -> bool:
    return _DIGITS in seen.turned_squeezed and _CARD.search(seen.raw.translate(_ZEROS, b" -")) is not None


_LOOKS: Final[tuple[tuple[Suspicion, Callable[[_Seen], bool]], ...]] = (
    (Suspicion.KEY_BLOCK, _has_key_block),
    (Suspicion.TOKEN, _has_token),
    (Suspicion.URL, _has_url_secret),
    (Suspicion.NAMED, _is_named),
    (Suspicion.CREDENTIALS, _has_credentials),
    (Suspicion.SAID, _is_said),
    (Suspicion.COMMAND, _is_command),
    (Suspicion.CARD, _has_card),
)
