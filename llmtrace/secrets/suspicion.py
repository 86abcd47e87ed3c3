"""One cheap look at a text: which rules could find anything in it. A clean LLM span costs a few microseconds.

Never a false "no": every rule's finding shows one of these signs. The look is made of operations that run over the
bytes at memory speed (``translate``, ``find``); regular expressions see only what is left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Flag, auto
from typing import Final

from llmtrace.secrets.backwards import turned
from llmtrace.secrets.names import QUERY, STRONG, SUFFIXES, WEAK, WEAK_QUERY
from llmtrace.secrets.tokens import has_token_sign
from llmtrace.secrets.urls import ENCODED_AT, USER


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


def _after_blanks(separator: str, words: tuple[str, ...]) -> re.Pattern[bytes]:
    """The separator behind one of these words and one to four blanks."""
    return re.compile(f"{separator[::-1]} {{1,4}}{turned(words)}".encode())


_NAMED: Final = re.compile(f":0*{_endings(STRONG, WEAK, SUFFIXES)}".encode())
_ASSIGNED: Final = re.compile(f"=0*{_endings(STRONG, WEAK, SUFFIXES)}".encode())
_PARAMETER: Final = re.compile(f"=0*(?:{_endings(STRONG, SUFFIXES, QUERY, WEAK_QUERY)})".encode())
_ENCODED_PARAMETER: Final = re.compile(f"d0*%0*(?:{_endings(STRONG, SUFFIXES, QUERY, WEAK_QUERY)})".encode())
_SENTENCE: Final = _after_blanks("is ", ("word", "phrase", "code", "key", "secret", "token"))
_STATEMENT: Final = _after_blanks("'", ("BY", "by", "PASSWORD", "password"))
"""A sentence and a statement that go on with a secret: "the token is ", "IDENTIFIED BY '"."""


def suspected(text: str) -> Suspicion:
    """The signs in this text; falsy for a clean one."""
    raw = text.encode("utf-8", "replace")
    turned_raw = text[::-1].encode("utf-8", "replace")
    turned_squeezed = turned_raw.translate(_SQUEEZED, _DELETED)
    found = _NOTHING
    if "PRIVATE KEY" in text:
        found |= Suspicion.KEY_BLOCK
    if has_token_sign(raw, turned_raw):
        found |= Suspicion.TOKEN
    if _has_url_secret(text, raw, turned_squeezed):
        found |= Suspicion.URL
    if _is_named(raw, turned_squeezed):
        found |= Suspicion.NAMED
    if _SCHEME.search(turned_squeezed):
        found |= Suspicion.CREDENTIALS
    if _is_said(raw, turned_raw):
        found |= Suspicion.SAID
    if b"-" in raw and _SHORT_FLAG.search(raw) and any(name in raw for name in _PROGRAMS):
        found |= Suspicion.COMMAND
    if _DIGITS in turned_squeezed and _CARD.search(raw.translate(_ZEROS, b" -")):
        found |= Suspicion.CARD
    return found


# A byte that is not there is found missing at memory speed: it is asked for before a pattern that needs it.


def _is_named(raw: bytes, turned_squeezed: bytes) -> bool:
    if _NAMED.search(turned_squeezed) or (b"=" in raw and _ASSIGNED.search(turned_squeezed)):
        return True
    return b"--" in raw and _FLAG.search(raw) is not None


def _is_said(raw: bytes, turned_raw: bytes) -> bool:
    if (b"=" in raw and b"value=" in raw) or (b" is " in raw and _SENTENCE.search(turned_raw)):
        return True
    return bool((b"'" in raw and _STATEMENT.search(turned_raw)) or (b"@" in raw and _LOGIN.search(raw)))


def _has_url_secret(text: str, raw: bytes, turned_squeezed: bytes) -> bool:
    if b"=" in raw and _PARAMETER.search(turned_squeezed):
        return True
    if b"%" in raw and (_ENCODED_PARAMETER.search(turned_squeezed) or ENCODED_AT.search(text)):
        return True
    if b"/" not in raw or (b"//" not in raw and b"\\/" not in raw):
        return False
    return b"hooks.slack.com" in raw or b"/api/webhooks/" in raw or (b"@" in raw and USER.search(text) is not None)
