"""JSON of plain small values, encoded in C after they were measured: the fast road of the serialiser.

Plain is what ``json.dumps`` writes alike: str, int of 64 bits, finite float, bool, None, list, tuple, dict with str
keys, of exactly these types. Anything else answers None and is left to the slow road.
"""

from __future__ import annotations

import json.encoder
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

_ENTRY_COST: Final = 32
"""What one entry weighs, beside its characters, when a plain value is measured: bounds the entries to about 4,000."""
_INT64: Final = 2**63
_MAX_ROOM: Final = 131_072


def _refuse(_: object) -> NoReturn:
    raise TypeError


quote: Final[Callable[[str], str]] = json.encoder.encode_basestring
"""A str of exactly this type -> a JSON string, nothing escaped that need not be."""
_ESCAPED: Final = (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
_RARE: Final = tuple(chr(code) for code in range(0x20) if chr(code) not in "\n\r\t")
_FALLBACK_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
)
_make_encoder: Final[Any] = getattr(json.encoder, "c_make_encoder", None)
# json.dumps makes this anew at each call: markers, default, encoder, indent, separators, sort_keys, skipkeys, allow_nan
_encode_in_c: Final[Any] = _make_encoder and _make_encoder(None, _refuse, quote, None, ":", ",", False, False, False)


# It holds a NaN, another thread changes it, the stack is nearly full: the slow road decides.
_NOT_PLAIN: Final = (TypeError, ValueError, RuntimeError, MemoryError)


def escaped(texts: list[str]) -> list[str]:
    """What `quote` puts between its quotes, of each. It looks at every character; this leaps through all together."""
    joined = "".join(texts)
    for rare in _RARE:
        if rare in joined:
            return [quote(text)[1:-1] for text in texts]
    for character, written in _ESCAPED:
        if character in joined:
            texts = [text.replace(character, written) if character in text else text for text in texts]
    return texts


def plain_json(value: object, limit: int, levels: int = 8) -> str | None:
    """The JSON of a plain value, if it has at most ``limit`` characters and ``levels`` containers inside each other.

    Lone surrogates stay in the text.
    """
    try:
        if _measure(value, min(limit, _MAX_ROOM), levels) < 0:
            return None
        if _encode_in_c is None:
            text = _FALLBACK_ENCODER.encode(value)
        else:
            pieces = _encode_in_c(value, 0)
            text = pieces[0] if len(pieces) == 1 else "".join(pieces)
    except _NOT_PLAIN:
        return None
    return text if len(text) <= limit else None


def _measure(value: object, room: int, levels: int) -> int:
    """What is left of ``room`` after a plain value; negative if it is too large, too deep or not plain."""
    kind = type(value)
    if kind is dict:
        return _measure_dict(value, room, levels)  # type: ignore[arg-type]  # a dict by its exact type
    if kind is list or kind is tuple:
        return _measure_list(value, room, levels)  # type: ignore[arg-type]  # one of the two by its exact type
    if kind is str:
        return room - len(value)  # type: ignore[arg-type]  # a str by its exact type
    if kind is int:
        return room if -_INT64 < value < _INT64 else -1  # type: ignore[operator]  # an int by its exact type
    # By identity: a hash of the class would be the user's code.
    return room if kind is float or kind is bool or value is None else -1


def _measure_dict(value: dict[Any, Any], room: int, levels: int) -> int:
    room -= _ENTRY_COST * len(value)
    if room < 0 or levels == 0:
        return -1
    for key, item in value.items():
        if type(key) is not str:
            return -1
        kind = type(item)
        if kind is str:
            room -= len(key) + len(item)
        elif kind is int and -_INT64 < item < _INT64:
            room -= len(key)
        else:
            room = _measure(item, room - len(key), levels - 1)
            if room < 0:
                return -1
    return room


def _measure_list(value: list[Any] | tuple[Any, ...], room: int, levels: int) -> int:
    room -= _ENTRY_COST * len(value)
    if room < 0 or levels == 0:
        return -1
    for item in value:
        kind = type(item)
        if kind is str:
            room -= len(item)
        elif kind is not float:
            room = _measure(item, room, levels - 1)
            if room < 0:
                return -1
    return room
