"""Credentials after their HTTP scheme: ``Bearer <token>``, ``Basic <user:password in base64>``."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final

from llmtrace.secrets.marks import mark
from llmtrace.secrets.randomness import looks_random

PATTERN: Final = re.compile(r"([Bb]earer|BEARER|[Bb]asic|BASIC)((?:[ \t]|%20){1,4})([A-Za-z0-9._~+/=-]{6,})")
_LONG: Final = 24


def hide_credentials(text: str) -> str:
    """Replace the credentials, keep the scheme; "bearer of news" and "basic understanding" are none."""
    return PATTERN.sub(_replacement, text)


def _replacement(found: re.Match[str]) -> str:
    scheme, gap, value = found.groups()
    is_basic = scheme[0] in "Bb" and scheme[1] in "aA"
    is_secret = _has_user(value) if is_basic else looks_random(value) or len(value) >= _LONG
    return f"{scheme}{gap}{mark('basic_credentials' if is_basic else 'bearer_token')}" if is_secret else found[0]


def _has_user(value: str) -> bool:
    """Whether this is base64 of something with a colon."""
    body = value.rstrip("=.-~")
    try:
        return b":" in b64decode(body + "=" * (-len(body) % 4), altchars=b"-_" if "_" in body or "-" in body else None)
    except ValueError:
        return False
