r"""Values that a name before them betrays: ``"password": "x"``, ``api_key=x``, ``Authorization: x``, ``--token x``.

Works on the text as it stands, so JSON stays JSON, whatever its spacing and however often it was put into a JSON string
(``{\"password\": \"x\"}``). Python's repr, YAML, headers, command lines and XML are read the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from llmtrace.secrets.backwards import turned
from llmtrace.secrets.marks import MARK, mark
from llmtrace.secrets.names import STRONG, SUFFIXES, WEAK, SecretName, secret_name
from llmtrace.secrets.randomness import looks_random


class _Hit(NamedTuple):
    """What to put instead of ``text[start:end]``."""

    start: int
    end: int
    replacement: str


class _Candidate(NamedTuple):
    """A name before a separator.

    Attributes:
        name: what the name says.
        quote: the closing quote of the name with its backslashes; empty for a bare name.
        separator: ``:``, ``=``, ``>`` or ``,``.
        before: the text left of the name, a few characters.
        at: where the value may begin.
    """

    name: SecretName
    quote: str
    separator: str
    before: str
    at: int


_BETWEEN: Final = "[_. -]?"
"""What may stand between two letters of a squeezed name in a written one."""
_LAST: Final = sorted({name[-4:] for name in (*STRONG, *WEAK, *SUFFIXES)})
CANDIDATE: Final = re.compile(
    rf"""(?:{"|".join(map(_BETWEEN.join, _LAST))})[0-9_-]{{0,4}}(\\*["'`]?)\]?[ \t]{{0,8}}(=>|:=|[:=>]|,)""",
)
_TURNED: Final = re.compile(rf"""[:=>,][:=]?[ \t]{{0,8}}\]?["'`]?\\*[0-9_-]{{0,4}}{turned(_LAST, _BETWEEN)}""")
"""The same read from the end, where the engine can leap from separator to separator."""
_FLAG: Final = re.compile(r"(--?[A-Za-z][\w-]{1,63})((?:[ \t]+|[\"'],\s*[\"'])[\"']?)([^\s\"'\\]+)", re.ASCII)
_LONG_FLAG: Final = re.compile(r"--[A-Za-z]")
"""A command line with such a flag: in other texts a hyphen before a word says nothing."""
_NAME_BACKWARDS: Final = re.compile(r"[A-Za-z0-9_. -]*")
_INSIDE_MARK: Final = "[redacted:"
_NAME_LENGTH: Final = 64
_VALUE_OF_PAIR: Final = re.compile(r"""\s*\\*["']value\\*["']\s*:""")
_SPACE: Final = re.compile(r"(?:\s|\\+[nrt](?=\\*[\"'{\[\s]))*")
_BLANKS: Final = re.compile(r"[ \t]*")
_OPENING: Final = re.compile(r"[bBrRuUfF]{0,2}(\\*)([\"'`])")
_STRUCTURE: Final = re.compile(r"""(\\*)(["'])|[{}\[\]]""")
_SCALAR: Final = re.compile(r"""[^\s,}\])"'\\<]+""")
_BARE: Final = re.compile(r"""[^\s,;&"'`\\<>]+""")
_LINE: Final = re.compile(r"""[^\r\n"'`\\<>]*""")
_XML: Final = re.compile(r"[^<>]*(?=</)")
_SCHEME: Final = re.compile(
    r"\s*(?:bearer|basic|digest|token|negotiate|apikey|api-key|aws4-hmac-sha256|ntlm|key)\b[ :=]", re.IGNORECASE
)
_FLAT: Final = re.compile(r"\{[^{}]{0,4096}")
_SCHEMA: Final = re.compile(
    r"""["']type\\*["']\s*:\s*\[?\s*\\*["'](?:string|number|integer|boolean|object|array|null)\\*["']"""
)
_SCHEMA_VALUES: Final = re.compile(r"""["'](?:value|default|const|enum|examples?)\\*["']\s*:""")
_NOT_PROSE: Final = re.compile(r"[0-9!@#$%^*_+=/~]|[a-z][A-Z]")
_LINE_ENDS: Final = re.compile(r"""[ \t]*(?:\Z|[\r\n"'`}]|\\+[nr])""")
_NO_VALUE: Final = frozenset({"true", "false", "null", "none", "undefined", "nil"})
_DESCRIBED: Final = frozenset(
    {"any", "bool", "boolean", "bytes", "changed", "disabled", "empty", "enabled", "expired", "hidden", "incorrect"}
    | {"int", "integer", "invalid", "masked", "missing", "number", "optional", "required", "revoked", "rotated"}
    | {"secretstr", "str", "string", "text", "unknown", "unset", "varchar", "wrong"}
)
"""What a colon may put behind a secret's name to describe it, in code and in messages."""
_LINES: Final = frozenset({"authorization", "cookie"})
_PUNCTUATION: Final = ")]}.!?:"
_HEAD: Final = 256
"""Characters that decide whether a bare value is a secret: what is no hit must not be read again and again."""
_CALL: Final = re.compile(r"[A-Za-z_][\w.]*[(\[]")
"""Code, not a value."""
_PLACEHOLDER: Final = re.compile(r"[*.x…-]+|\$\{?\w+\}?|\{+\w*\}+|%\w?\(?\w*\)?s?")


def hide_named(text: str) -> str:
    """Replace the values of secret names."""
    pieces: list[str] = []
    done = 0
    for found in candidates(_lowered(text)):
        candidate = _candidate(text, found) if found.start() >= done else None
        hit = _hit(text, candidate) if candidate else None
        if hit:
            pieces += (text[done : hit.start], hit.replacement)
            done = hit.end
    hidden = "".join([*pieces, text[done:]]) if pieces else text
    return _FLAG.sub(_flag, hidden) if _LONG_FLAG.search(hidden) else hidden


def candidates(low: str) -> Iterator[re.Match[str]]:
    """Where `CANDIDATE` stands in a text of small letters, from its beginning on."""
    starts = [len(low) - found.end() for found in _TURNED.finditer(low[::-1])]
    for start in reversed(starts):
        found = CANDIDATE.match(low, start)
        if found:
            yield found


def _lowered(text: str) -> str:
    """Small letters, each where it was: one letter of Unicode becomes two."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(letter.lower() if letter.isascii() else letter for letter in text)


def _candidate(text: str, found: re.Match[str]) -> _Candidate | None:
    end = found.start(1)
    left = text[max(0, end - _NAME_LENGTH) : end]
    backwards = _NAME_BACKWARDS.match(left[::-1])
    length = backwards.end() if backwards else 0
    written = left[len(left) - length :]
    name = secret_name(written.lstrip(" "))
    if name is None or text.endswith(_INSIDE_MARK, 0, end - length):
        return None
    before = text[max(0, end - length - 8) : end - length]
    # ["name"], is a whole list, not the beginning of a pair.
    quote = "" if found[2] == "," and "]" in found[0] else found[1]
    return _Candidate(name, quote, found[2][-1], before, found.end())


def _hit(text: str, candidate: _Candidate) -> _Hit | None:
    at = candidate.at
    if candidate.separator == ",":
        pair = _VALUE_OF_PAIR.match(text, at)
        if pair:
            at = pair.end()
        elif not candidate.quote or not candidate.before.rstrip("\\\"'bB").endswith(("[", "(")):
            return None
    if candidate.separator == "=" and text[at : at + 1] in ("=", "~"):
        return None  # a comparison
    if candidate.separator == ">" and candidate.before.rstrip().endswith(("<", ":")):
        return _hit_by(_XML, text, at, candidate)
    space = (_SPACE if candidate.quote else _BLANKS).match(text, at)
    at = space.end() if space else at
    opening = _OPENING.match(text, at)
    if opening:
        return _quoted(text, opening, candidate)
    if candidate.quote:
        return _structure(text, at, candidate)
    return _bare(text, at, candidate)


def _quoted(text: str, opening: re.Match[str], candidate: _Candidate) -> _Hit | None:
    start = opening.end()
    end, after = _end_of_string(text, start, opening[2], len(opening[1]))
    value = text[start:end]
    if candidate.separator == "," and not _closes_pair(text, after):
        return None
    if not value or not _is_hidden(value, candidate.name):
        return None
    return _Hit(start, end, mark(candidate.name.kind))


def _closes_pair(text: str, at: int) -> bool:
    closing = _SPACE.match(text, at)
    return text[closing.end() if closing else at :][:1] in ("]", ")", "}", "", ",")


def _end_of_string(text: str, start: int, quote: str, level: int) -> tuple[int, int]:
    """Where a string ends that was opened by a quote behind `level` backslashes, and where its quote ends.

    Inside, a quote has more backslashes; how many, repeats itself with twice the level's number, plus two. Fewer mean
    that the string around ended first: the text is broken there.
    """
    position = start
    while True:
        at = text.find(quote, position)
        if at < 0:
            return len(text), len(text)
        run = at - position - len(text[position:at].rstrip("\\"))
        if run < level:
            return at - run, at - run
        if run % (2 * level + 2) == level:
            return at - level, at + 1
        position = at + 1


def _structure(text: str, at: int, candidate: _Candidate) -> _Hit | None:
    """The value after a quoted name is no string: a container is hidden as a whole, a number too."""
    if text[at : at + 1] in ("{", "["):
        if candidate.name.is_weak or _is_schema(text, at):
            return None
        return _Hit(at, _end_of_container(text, at, len(candidate.quote) - 1), _mark_in_quotes(candidate))
    scalar = _SCALAR.match(text, at)
    if scalar is None or candidate.name.is_weak or scalar[0].lower() in _NO_VALUE or MARK.match(text, at):
        return None
    return _Hit(scalar.start(), scalar.end(), _mark_in_quotes(candidate))


def _mark_in_quotes(candidate: _Candidate) -> str:
    return f"{candidate.quote}{mark(candidate.name.kind)}{candidate.quote}"


def _end_of_container(text: str, at: int, level: int) -> int:
    depth = 0
    inside = ""
    for found in _STRUCTURE.finditer(text, at):
        quote = found[2]
        if quote:
            run = len(found[1])
            if run < level:
                return found.start()
            if run % (2 * level + 2) == level and inside in ("", quote):
                inside = "" if inside else quote
        elif not inside:
            depth += 1 if found[0] in "{[" else -1
            if depth == 0:
                return found.end()
    return len(text)


def _is_schema(text: str, at: int) -> bool:
    """A JSON schema that describes a secret, and holds none; what is nested in it is looked at by itself."""
    flat = _FLAT.match(text, at)
    return flat is not None and _SCHEMA.search(flat[0]) is not None and _SCHEMA_VALUES.search(flat[0]) is None


def _bare(text: str, at: int, candidate: _Candidate) -> _Hit | None:
    if candidate.name.kind in _LINES and candidate.separator == ":":
        return _header(text, at, candidate)
    if _CALL.match(text, at):
        return None
    head = _BARE.match(text, at, at + _HEAD)
    if head is None or MARK.match(text, at) or _PLACEHOLDER.fullmatch(head[0]):
        return None
    value = head[0].rstrip(_PUNCTUATION)
    is_long = len(head[0]) == _HEAD
    if not value or not _is_hidden(value, candidate.name):
        return None
    is_described = value.lower() in _DESCRIBED or not _is_no_prose(text, at + len(value), value)
    if candidate.separator == ":" and not is_long and is_described:
        return None
    return _Hit(at, _end_of(_BARE, text, at, _PUNCTUATION), mark(candidate.name.kind))


def _end_of(pattern: re.Pattern[str], text: str, at: int, trailing: str) -> int:
    found = pattern.match(text, at)
    return at + len(found[0].rstrip(trailing)) if found else at


def _is_no_prose(text: str, end: int, value: str) -> bool:
    """After ``Password:`` a word may follow that belongs to a sentence."""
    return _NOT_PROSE.search(value) is not None or _LINE_ENDS.match(text, end) is not None


def _header(text: str, at: int, candidate: _Candidate) -> _Hit | None:
    head = _LINE.match(text, at, at + _HEAD)
    value = head[0].strip() if head else ""
    if candidate.name.kind == "cookie":
        is_secret = "=" in value
    else:
        is_secret = _SCHEME.match(value) is not None or looks_random(value.partition(" ")[0])
    if not is_secret or MARK.fullmatch(value):
        return None
    return _Hit(at, _end_of(_LINE, text, at, " \t"), mark(candidate.name.kind))


def _hit_by(pattern: re.Pattern[str], text: str, at: int, candidate: _Candidate) -> _Hit | None:
    found = pattern.match(text, at)
    if found is None or not found[0].strip() or not _is_hidden(found[0], candidate.name):
        return None
    return _Hit(at, found.end(), mark(candidate.name.kind))


def _is_hidden(value: str, name: SecretName) -> bool:
    if MARK.fullmatch(value) or value.strip().lower() in _NO_VALUE:
        return False
    return looks_random(value) if name.is_weak else True


def _flag(found: re.Match[str]) -> str:
    name = secret_name(found[1])
    value = found[3]
    if name is None or value.startswith("-") or MARK.match(value) or not _is_hidden(value, name):
        return found[0]
    return f"{found[1]}{found[2]}{mark(name.kind)}"
