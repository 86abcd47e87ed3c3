"""Private keys in the blocks of PEM, whole or cut off, plain or inside of JSON and YAML."""

from __future__ import annotations

import re
from typing import Final

from llmtrace.secrets.marks import mark

_KEY_BEGIN: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----")
_KEY_BODY: Final = re.compile(
    r"""[\w+/=\s:,.-]*(?:(?:\\+(?:[nrt/]|u00[0-9a-f]{2})|["'][\s+,]{0,16}["']|[|>#*]{1,2}[ \t])[\w+/=\s:,.-]*)*"""
)
_KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")


def hide_key_blocks(text: str) -> str:
    """Replace each private key block, up to its end line; without one, all that could be a part of the block."""
    pieces: list[str] = []
    done = 0
    begin = _KEY_BEGIN.search(text)
    end = _KEY_END.search(text)
    while begin:
        if end and end.start() < begin.end():
            end = _KEY_END.search(text, begin.end())
        pieces += (text[done : begin.start()], mark("private_key"))
        body = _KEY_BODY.match(text, begin.end(), end.start() if end else len(text))
        done = body.end() if body else begin.end()
        if end and done == end.start():
            done = end.end()
        begin = _KEY_BEGIN.search(text, done)
    return "".join([*pieces, text[done:]])
