"""Payment card numbers: the digits of an issuer, in its length and grouping, whose check digit (Luhn) is right."""

from __future__ import annotations

import re
from typing import Final

from llmtrace.secrets.marks import mark

PATTERN: Final = re.compile(
    r"[2-6][0-9]{3}(?:[ -][0-9]{4}){2}[ -][0-9]{1,7}|3[0-9]{3}[ -][0-9]{6}[ -][0-9]{4,5}|[0-9]{13,}"
)
_RUN: Final = re.compile(r"[0-9][0-9 -]{12,}")
"""What a number is surely inside of: here the engine can leap to the digits."""
_ISSUERS: Final = re.compile(
    r"""4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})           # Visa
      | (?:5[1-5]|2[2-7])[0-9]{14}                   # Mastercard
      | 3[47][0-9]{13}                               # American Express
      | 3(?:0[0-5]|[689][0-9])[0-9]{11}              # Diners Club
      | 6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12}      # Discover
      | 35[2-8][0-9]{13}                             # JCB
      | 62[0-9]{14,17}                               # UnionPay
    """,
    re.VERBOSE,
)
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_LONGEST: Final = 19
_NEAR: Final = 12
_ESCAPE: Final = re.compile(r"(?:\\[nrtbfv]|\\u[0-9a-fA-F]{4}|%[0-9A-Fa-f]{2}|\[[0-9;]{0,8}m)\Z")
"""What ends in a letter or digit and is none: escapes of JSON, of a URL, of a terminal."""


def hide_cards(text: str) -> str:
    """Replace each card number."""
    pieces: list[str] = []
    done = 0
    for run in _RUN.finditer(text):
        for found in PATTERN.finditer(text, run.start(), run.end()):
            if _is_card_number(found):
                pieces += (text[done : found.start()], mark("card_number"))
                done = found.end()
    return "".join([*pieces, text[done:]]) if pieces else text


def is_card(digits: str) -> bool:
    """Whether these digits, without separators, are a card's."""
    return len(digits) <= _LONGEST and _ISSUERS.fullmatch(digits) is not None and _luhn(digits)


def _is_card_number(found: re.Match[str]) -> bool:
    return is_card(found[0].replace(" ", "").replace("-", "")) and _stands_alone(found)


def _stands_alone(found: re.Match[str]) -> bool:
    """Not a part of a word, of an id or of a number with a decimal point."""
    before = found.string[max(0, found.start() - _NEAR) : found.start()]
    after = found.string[found.end() : found.end() + 2]
    if before and _is_inner(before[-1]) and not _ESCAPE.search(before):
        return False
    if before[-1:] == "." and before[-2:-1].isdecimal():
        return False
    return not (after and _is_inner(after[0])) and not (after[:1] == "." and after[1:].isdecimal())


def _is_inner(letter: str) -> bool:
    """Writing without spaces may put a card number right behind a word; that of programs does not."""
    return letter.isascii() and (letter.isalnum() or letter == "_")


def _luhn(digits: str) -> bool:
    total = sum(int(digit) for digit in digits[-1::-2]) + sum(_DOUBLED[int(digit)] for digit in digits[-2::-2])
    return total % 10 == 0
