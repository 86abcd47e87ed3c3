"""Protobuf's wire format, as much of it as OTLP needs: numbers, texts, attributes -> bytes.

What is not exactly of a type that OTLP carries raises: `UnfitError`, or whatever a foreign type makes of being asked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

_SMALL: Final = 1 << 14
"""Numbers below it have their bytes ready in a table; they take at most two."""
_INT64: Final = 1 << 63
_MOST_KEYS: Final = 4_096
_LONGEST_KEY: Final = 256
"""Attribute keys whose bytes are kept ready; a service that makes up ever new ones must not fill the memory."""

_double: Final = struct.Struct("<Bd").pack


class UnfitError(TypeError):
    """A value that OTLP does not carry as it is."""


def _long_varint(number: int) -> bytes:
    out = bytearray()
    while number >= 1 << 7:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_VARINTS: Final = tuple(map(_long_varint, range(_SMALL)))


def varint(number: int) -> bytes:
    """A number from 0 on, seven bits a byte."""
    return _VARINTS[number] if number < _SMALL else _long_varint(number)


def framed(tag: bytes, data: bytes) -> bytes:
    """A field that holds a message, a text or bytes."""
    return b"%b%b%b" % (tag, varint(len(data)), data)


def text_field(tag: bytes, text: str) -> bytes:
    """A text; nothing where it is empty, as proto3 has it."""
    if type(text) is not str:
        raise UnfitError
    return framed(tag, text.encode()) if text else b""


def number_field(tag: bytes, number: int) -> bytes:
    """A number from 0 to 2**32 - 1; nothing where it is 0."""
    if not 0 <= number < 1 << 32:
        raise UnfitError
    return tag + varint(number) if number else b""


def put_attributes(append: Callable[[bytes], object], tag: bytes, attributes: Mapping[str, Any]) -> None:
    """Write each attribute as a ``KeyValue`` under `tag`, piece by piece.

    The longest loop of all of delivery: what is asked for at each turn stands in a local name.
    """
    keys, pairs, heads, varints = _keys, _pairs, _TEXT_HEADS, _VARINTS
    for key, value in attributes.items():
        kind = type(value)
        if kind is str and len(value) <= _SHORT:
            append(pairs.get((tag, key, value)) or _pair(tag, key, value))
            continue
        start = keys.get(key) or _key(key)
        if kind is str:
            data = value.encode()
            length = len(data)
            head = heads[length] if length < _TABLED else _text_head(length)
            whole = len(start) + len(head) + length
            append(tag + (varints[whole] if whole < _SMALL else _long_varint(whole)) + start + head)
            append(data)  # by itself: a long text is not copied once more
        elif kind is float:
            append(framed(tag, start + _float_field(0x12, 9, 0x21, value)))
        else:
            inner = _scalar(value, kind) if kind is not tuple and kind is not list else _array(value)
            append(framed(tag, start + framed(b"\x12", inner)))


_SHORT: Final = 64
"""Characters of a text that may stand under the same key in many spans: a role, a model, a type."""
_MOST_PAIRS: Final = 4_096
_pairs: dict[tuple[bytes, str, str], bytes] = {}
_float_field: Final = struct.Struct("<BBBd").pack


def _pair(tag: bytes, key: str, value: str) -> bytes:
    """An attribute whose text is short; its bytes are kept ready."""
    start, data = _keys.get(key) or _key(key), value.encode()
    made = framed(tag, start + _TEXT_HEADS[len(data)] + data)
    if len(key) <= _LONGEST_KEY:
        if len(_pairs) >= _MOST_PAIRS:
            _pairs.clear()
        _pairs[tag, key, value] = made
    return made


def _text_head(length: int) -> bytes:
    """What stands before the bytes of a text: the field ``value`` of the pair, in it the field ``string_value``."""
    inner = b"\x0a" + varint(length)
    return b"\x12" + varint(len(inner) + length) + inner


_TABLED: Final = 4_096
_TEXT_HEADS: Final = tuple(map(_text_head, range(_TABLED)))

_keys: dict[str, bytes] = {}


def _key(key: str) -> bytes:
    start = text_field(b"\x0a", key)
    if len(key) <= _LONGEST_KEY:
        if len(_keys) >= _MOST_KEYS:
            _keys.clear()
        _keys[key] = start
    return start


def _array(values: tuple[Any, ...] | list[Any]) -> bytes:
    items = b"".join([framed(b"\x0a", _scalar(item, type(item))) for item in values])
    return framed(b"\x2a", items)


def _scalar(value: Any, kind: type) -> bytes:
    """An ``AnyValue``. Types are compared by identity: a metaclass may raise when it is asked for equality."""
    if kind is str:
        return framed(b"\x0a", value.encode())
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        if not -_INT64 <= value < _INT64:
            raise UnfitError
        return b"\x18" + varint(value if value >= 0 else value + 2 * _INT64)
    if kind is float:
        return _double(0x21, value)
    raise UnfitError
