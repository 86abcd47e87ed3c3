"""Protobuf's wire format, as much of it as OTLP needs: numbers, texts, attributes -> bytes.

What is not exactly of a type that OTLP carries raises: `UnfitError`, or whatever a foreign type makes of being asked.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

_SMALL: Final = 1 << 14
"""Numbers below it have their bytes ready in a table; they take at most two."""
_ONE_BYTE: Final = 1 << 7
_INT64: Final = 1 << 63
_MOST_KEYS: Final = 4_096
_LONGEST_KEY: Final = 256
"""Attribute keys whose bytes are kept ready."""
_MOST_TEXTS: Final = 4_096
_SHORT: Final = 64
"""Texts that are kept ready with their keys, and their characters: to look for a long one costs what it would save."""

_double: Final = struct.Struct("<Bd").pack
_float: Final = struct.Struct("<d").pack


class UnfitError(TypeError):
    """A value that OTLP does not carry as it is."""


def _long_varint(number: int) -> bytes:
    out = bytearray()
    while number >= _ONE_BYTE:
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


class Texts(dict[str, bytes]):
    """Texts of few different kinds, as names are -> the field; those that came last stand ready."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __missing__(self, text: str) -> bytes:
        made = text_field(self._tag, text)
        if len(text) <= _LONGEST_KEY:
            if len(self) >= _MOST_KEYS:
                self.clear()
            self[text] = made
        return made


class _Short(dict[str, bytes]):
    """Short texts under one key -> the whole attribute."""

    def __init__(self, keys: Keys, start: bytes) -> None:
        self._keys = keys
        self._start = start

    def __missing__(self, value: str) -> bytes:
        data = value.encode()
        made = framed(self._keys.tag, self._start + _text_head(len(data)) + data)
        self._keys.make_room()
        self[value] = made
        return made


class _Beginnings(NamedTuple):
    """What stands before the values under one key.

    Attributes:
        key: the field ``key``.
        small: all before the one byte of a small number.
        medium: the same of a number of two bytes.
        double: the same of a float.
    """

    key: bytes
    small: bytes
    medium: bytes
    double: bytes


class Keys(dict[str, tuple[_Short, _Beginnings]]):
    """The keys of the attributes that stand under one tag -> short texts that stood under it, and beginnings of others.

    What a service writes again and again has its bytes ready: its keys, and a role, a model, a type. Bounded: one that
    makes up ever new ones must not fill the memory.
    """

    def __init__(self, tag: bytes) -> None:
        self.tag = tag
        self._left = _MOST_TEXTS

    def __missing__(self, key: str) -> tuple[_Short, _Beginnings]:
        start = text_field(b"\x0a", key)
        numbers = [self.tag + varint(len(start) + len(head) + size) + start + head for head, size in _NUMBER_HEADS]
        made = _Short(self, start), _Beginnings(start, *numbers)
        if len(key) <= _LONGEST_KEY:
            if len(self) >= _MOST_KEYS:
                self.clear()
            self[key] = made
        return made

    def make_room(self) -> None:
        """For one more text: where there are too many, all begin anew, and the keys with them."""
        self._left -= 1
        if self._left < 0:
            self._left = _MOST_TEXTS
            self.clear()


_NUMBER_HEADS: Final = ((b"\x12\x02\x18", 1), (b"\x12\x03\x18", 2), (b"\x12\x09\x21", 8))
"""What stands between a key and a number of one byte, of two, and a float: the field ``value``, in it its field."""


def put_attributes(pieces: list[bytes], known: Keys, attributes: Mapping[str, Any]) -> None:
    """Write each attribute as a ``KeyValue``, in pieces: a long text is not copied before all are joined.

    The longest loop of all of delivery: what is asked for at each turn stands in a local name.
    """
    put, tag, heads, varints = pieces.append, known.tag, _TEXT_HEADS, _VARINTS
    for key, value in attributes.items():
        short, beginnings = known[key]
        kind = type(value)
        if kind is str:
            if len(value) <= _SHORT:
                put(short[value])
                continue
            start = beginnings.key
            data = value.encode()
            length = len(data)
            head = heads[length] if length < _TABLED else _text_head(length)
            whole = len(start) + len(head) + length
            pieces += (tag, varints[whole] if whole < _SMALL else _long_varint(whole), start, head, data)
        elif kind is int and 0 <= value < _SMALL:  # a count of tokens
            pieces += (beginnings.small if value < _ONE_BYTE else beginnings.medium, varints[value])
        elif kind is float:
            pieces += (beginnings.double, _float(value))
        else:
            start = beginnings.key
            data = _value(value, kind)
            pieces += (tag, varint(len(start) + len(data)), start, data)


def _text_head(length: int) -> bytes:
    """What stands before the bytes of a text: the field ``value`` of the pair, in it the field ``string_value``."""
    inner = b"\x0a" + varint(length)
    return b"\x12" + varint(len(inner) + length) + inner


_TABLED: Final = 4_096
_TEXT_HEADS: Final = tuple(map(_text_head, range(_TABLED)))


def _value(value: Any, kind: type) -> bytes:
    """The field ``value`` of a pair."""
    return framed(b"\x12", _array(value) if kind is tuple or kind is list else _scalar(value, kind))


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
