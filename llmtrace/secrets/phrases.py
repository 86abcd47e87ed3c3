"""Secrets that what stands before them betrays: a sentence, SQL, an HTML form, a mail address with a colon."""

from __future__ import annotations

import re
from typing import Final

from llmtrace.secrets.marks import MARK, mark
from llmtrace.secrets.randomness import looks_random

SAID: Final = re.compile(
    r"""((?:word|phrase|code|key|secret|token) {1,4}is {1,4}(?:now {1,4})?["'`]?)([^\s"'`<>\\]{6,256})"""
)
SQL: Final = re.compile(r"""((?:BY|by|PASSWORD|password) {1,4}')([^'\\]{1,256})""")
FORM: Final = re.compile(r"""(type=\\*["']?password\\*["']?[^<>]{0,256}value=\\*["'])([^"'\\<>]{1,256})""")
LOGIN: Final = re.compile(r"""(@[A-Za-z0-9.-]{1,253}\.[A-Za-z]{2,24}:)([^\s"'`<>\\,;|]{6,256})""")
"""Begins at the sign in the middle, by which the engine can leap; what stands before is looked at afterwards."""
_NO_PASSWORD: Final = re.compile(
    r"[0-9]{1,5}(?![^/?#])|[~.\[{(]|[^/]*/|.*\.(?:git|tar|gz|zip|txt|py|md|json|log|sql|csv)\Z"
)
"""A port, a path, a repository, a file: what a host's name is followed by in URLs and on command lines."""
_STATEMENT: Final = re.compile(r"identified {1,4}by {1,4}'|with {1,4}(?:encrypted {1,4})?password {1,4}'")
_NEAR: Final = 40
_SHORTEST: Final = 6
_PUNCTUATION: Final = ".,;:!?)]}"


def hide_said(text: str) -> str:
    """Replace what these phrases betray; in a sentence only what looks like no word."""
    text = SAID.sub(_said, text)
    text = SQL.sub(_of_statement, text)
    return FORM.sub(_replacement, LOGIN.sub(_of_login, text))


def _said(found: re.Match[str]) -> str:
    value = found[2].rstrip(_PUNCTUATION)
    if not looks_random(value) or MARK.search(value):
        return found[0]
    return f"{found[1]}{mark('password')}{found[2][len(value) :]}"


def _of_login(found: re.Match[str]) -> str:
    value = found[2].rstrip(_PUNCTUATION)
    before = found.string[max(0, found.start() - 1) : found.start()]
    if len(value) < _SHORTEST or not (before.isalnum() or before in "_-+.") or _NO_PASSWORD.match(value):
        return found[0]
    if MARK.search(value) or (found.string.endswith("git", 0, found.start()) and not looks_random(value)):
        return found[0]
    return f"{found[1]}{mark('password')}{found[2][len(value) :]}"


def _of_statement(found: re.Match[str]) -> str:
    before = found.string[max(0, found.start() - _NEAR) : found.end(1)].lower()
    return _replacement(found) if _STATEMENT.search(before) else found[0]


def _replacement(found: re.Match[str]) -> str:
    return found[0] if MARK.fullmatch(found[2]) else f"{found[1]}{mark('password')}"
