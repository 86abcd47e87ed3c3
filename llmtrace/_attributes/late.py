"""JSON that is written when it is first read: by the worker, where nobody reads it on the caller's thread.

It waits as a dict among a span's attributes, where no other value is one. Only what cannot change afterwards can wait:
a dict of our own whose values are texts and numbers.
"""

from __future__ import annotations

import marshal
from collections.abc import Collection
from typing import Any, Final

from llmtrace._attributes.fields import Attributes
from llmtrace._attributes.values import put_value
from llmtrace._values.plain import plain_json
from llmtrace._values.serialize import DEFAULT_TEXT_LIMIT, to_json
from llmtrace.semconv import trace as keys

_MOST: Final = 64
"""Entries of a dict that may wait; a larger one is rendered at once, within the limits of `to_json`."""
_SCALARS: Final[frozenset[type]] = frozenset({str, int, float, bool, type(None)})
_TEXT: Final[frozenset[type]] = frozenset({str})


def put_later(into: Attributes, value_key: str, mime_key: str, value: object) -> None:
    """`put_value`, where the JSON of a small dict can wait."""
    if not put_plain(into, value_key, mime_key, value):
        put_value(into, value_key, mime_key, value)


def put_plain(into: Attributes, value_key: str, mime_key: str, value: object) -> bool:
    """The same for what runs nobody's code: nothing, a text, a small dict of texts and numbers; False: it is not."""
    kind = type(value)
    if kind is str:
        into[value_key] = value
        into[mime_key] = keys.MIME_TEXT
    elif kind is dict and len(value) <= _MOST:  # type: ignore[arg-type]  # a dict
        own: dict[object, object] = value.copy()  # type: ignore[attr-defined]  # as above
        try:
            if not (_TEXT.issuperset(map(type, own)) and _SCALARS.issuperset(map(type, own.values()))):
                return False
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - the metaclass of a foreign value may raise when it is compared
            return False
        into[value_key] = own
        into[mime_key] = keys.MIME_JSON
    else:
        return value is None
    return True


def can_wait(values: Collection[object]) -> bool:
    """Whether these are few values, and all of types that cannot change."""
    try:
        return len(values) <= _MOST and _SCALARS.issuperset(map(type, values))
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the metaclass of a foreign value may raise when it is compared
        return False


def settle(attributes: Attributes) -> None:
    """Put the JSON of what waits in its place."""
    # In one step that no other thread can break into: it may be writing to a span that is read while it is open.
    if dict in map(type, attributes.values()):
        for key, value in list(attributes.items()):
            if type(value) is dict:
                attributes[key] = _written(value)


_known: dict[bytes, str] = {}
"""The JSON of small dicts by their exact values: the parameters of a service's calls are the same again and again."""
_MOST_KNOWN: Final = 1_024
_LARGEST_KNOWN: Final = 256
_EXACT: Final = 2
"""Of the formats of `marshal`, one in which equal bytes mean equal values of equal types, and no others do."""


def _written(value: dict[Any, Any]) -> str:
    exact = marshal.dumps(value, _EXACT)
    text = _known.get(exact)
    if text is None:
        text = to_json(value)
        if len(exact) <= _LARGEST_KNOWN and plain_json(value, DEFAULT_TEXT_LIMIT) is not None:
            if len(_known) >= _MOST_KNOWN:
                _known.clear()
            _known[exact] = text
    return text
