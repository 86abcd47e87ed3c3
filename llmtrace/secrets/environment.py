"""The secrets that this process was started with: exact values of environment variables that look like secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from llmtrace.secrets.names import secret_query_name
from llmtrace.secrets.randomness import looks_random

_SHORTEST: Final = 12
_URL_PASSWORD: Final = re.compile(r"://[^/?#\s@:]*:([^\s]+)@")
_PLAIN_WORDS: Final = re.compile(r"[a-z_.:/-]*|/[\w./-]*|[A-Z_]*")


def environment_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Values of at least 12 characters to hide wherever they occur, longest first; also as JSON and URLs write them.

    Taken are variables whose name is one of a secret, passwords in URLs, and the values of header lists
    (``OTEL_EXPORTER_OTLP_HEADERS``). Plain words and paths are not taken: hiding them would hide ordinary text.
    """
    found = {
        written
        for name, value in environ.items()
        for secret in _secrets(name, value)
        if len(secret) >= _SHORTEST and not _PLAIN_WORDS.fullmatch(secret)
        for written in _spellings(secret)
    }
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def _secrets(name: str, value: str) -> Iterator[str]:
    said = secret_query_name(name)
    if said and (not said.is_weak or looks_random(value)):
        yield value
    if name.upper().endswith("HEADERS"):
        for pair in value.split(","):
            yield pair.partition("=")[2].strip().removeprefix("Bearer%20").removeprefix("Bearer ")
    for url in _URL_PASSWORD.finditer(value):
        yield url[1]


def _spellings(secret: str) -> set[str]:
    return {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")}
