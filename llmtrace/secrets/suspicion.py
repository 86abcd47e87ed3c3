"""One cheap look at a text: which rules could find anything in it. A clean LLM span costs a few microseconds.

Never a false "no": every rule's finding shows one of these signs. The look is made of operations that run over the
bytes at memory speed (``translate``, ``find``); regular expressions see only what is left.
"""

from __future__ import annotations

import re
from enum import Flag, auto
from typing import Final

from llmtrace.secrets.names import STRONG, SUFFIXES, WEAK
from llmtrace.secrets.tokens import TOKENS


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
_VALUE: Final = re.compile(rb"=(?<=value=)")
_SHORT_FLAG: Final = re.compile(rb"-(?<=[ \t\"'`,=\\-]-)[pawuU]")
_PROGRAMS: Final = (b"curl ", b"mysql", b"mariadb", b"sshpass", b"mongo", b"login", b"redis-cli", b"ldap")
_SCHEME: Final = re.compile(rb"b(?:earer|asic)")
_ENDING_LENGTH: Final = 6
_SEPARATED: Final = "-_."


def _squeeze_table() -> bytes:
    """Small letters; whatever separates a name from its value becomes ``:``."""
    table = bytearray(bytes(range(256)).lower())
    for separator in b"=>,":
        table[separator] = ord(":")
    return bytes(table)


_SQUEEZED: Final = _squeeze_table()
_DELETED: Final = b"\"'`\\ \t-_])0123456789"
_ZEROS: Final = bytes(ord("0") if chr(code).isdecimal() else code for code in range(128)) + bytes(range(128, 256))


def _after(separator: str, endings: set[str], following: str = "") -> re.Pattern[bytes]:
    """The separator after one of these endings. Looked at backwards, by length: the engine leaps between separators."""
    by_length: dict[int, list[str]] = {}
    for ending in sorted(endings):
        by_length.setdefault(len(ending), []).append(re.escape(ending))
    looks = (f"(?<=(?:{'|'.join(ends)}){re.escape(separator)})" for ends in by_length.values())
    return re.compile(f"{re.escape(separator)}{following}(?:{'|'.join(looks)})".encode())


def _said() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """A sentence and a statement that go on with a secret: "the token is ", "IDENTIFIED BY '"."""
    blanks = [" " * number for number in range(1, 5)]
    sentences = {f"{name}{blank}" for name in ("word", "phrase", "code", "key", "secret", "token") for blank in blanks}
    statements = {f"{name}{blank}" for name in ("BY", "by", "PASSWORD", "password") for blank in blanks}
    return _after("is ", sentences), _after("'", statements)


def _endings() -> re.Pattern[bytes]:
    """A colon after the end of a secret's name, of which only the last letters are compared."""
    names = {name.rstrip("0123456789")[-_ENDING_LENGTH:] for name in (*STRONG, *WEAK, *SUFFIXES)}
    return _after(":", names)


def _token_signs() -> tuple[re.Pattern[bytes], ...]:
    """The beginnings of all tokens, one pattern for each character by which the engine can leap."""
    anchors = {anchor for token in TOKENS for anchor in token.anchors}
    signs = [_after(last, {a[:-1][-4:] for a in anchors if a[-1] == last}, "(?=[A-Za-z0-9_-])") for last in _SEPARATED]
    signs.append(_after("J", {"ey"}))
    plain = {anchor for anchor in anchors if anchor[-1] not in f"{_SEPARATED}J"}
    for first in sorted({anchor[0] for anchor in plain}):
        rest = "|".join(_REST.get(anchor, anchor[1:]) for anchor in sorted(plain) if anchor[0] == first)
        signs.append(re.compile(f"{first}(?:{rest})".encode()))
    return tuple(signs)


_REST: Final = {"AA": "(?<=:A)A", "SK": "K[0-9a-f]{16}"}
"""Short anchors need a closer look, or ordinary text would be full of them."""
_ENDINGS: Final = _endings()
_TOKEN_SIGNS: Final = _token_signs()
_SENTENCE, _STATEMENT = _said()


def suspected(text: str) -> Suspicion:
    """The signs in this text; falsy for a clean one."""
    raw = text.encode("utf-8", "replace")
    squeezed = raw.translate(_SQUEEZED, _DELETED)
    found = _NOTHING
    if "PRIVATE KEY" in text:
        found |= Suspicion.KEY_BLOCK
    if any(sign.search(raw) for sign in _TOKEN_SIGNS):
        found |= Suspicion.TOKEN
    if _has_url_secret(raw):
        found |= Suspicion.URL
    if _ENDINGS.search(squeezed) or _FLAG.search(raw):
        found |= Suspicion.NAMED
    if _SCHEME.search(squeezed):
        found |= Suspicion.CREDENTIALS
    if _VALUE.search(raw) or _SENTENCE.search(raw) or _STATEMENT.search(raw) or _LOGIN.search(raw):
        found |= Suspicion.SAID
    if _SHORT_FLAG.search(raw) and any(name in raw for name in _PROGRAMS):
        found |= Suspicion.COMMAND
    if _CARD.search(raw.translate(_ZEROS, b" -")):
        found |= Suspicion.CARD
    return found


def _has_url_secret(raw: bytes) -> bool:
    has_value = b"=" in raw or (b"%" in raw and (b"%3" in raw or b"%25" in raw))
    if has_value and any(letter in raw for letter in (b"?", b"&", b";", b"#", b"%", b"u0026")):
        return True
    if b"/" not in raw or (b"//" not in raw and b"\\/" not in raw):
        return False
    return b"@" in raw or b"hooks.slack.com" in raw or b"/api/webhooks/" in raw
