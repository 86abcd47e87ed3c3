"""Hypothesis strategies and hostile values that the tests share."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import io
import sys
import threading
import types
import weakref
from collections import UserDict, UserList, deque
from typing import TYPE_CHECKING, Any
from unittest import mock

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Texts.

surrogates = st.characters(min_codepoint=0xD800, max_codepoint=0xDFFF, categories=["Cs"])
any_texts = st.text(st.one_of(st.characters(), surrogates, st.sampled_from('\x00\x01"\\\n\u2028…😀')), max_size=60)
"""Texts as Python can hold them: lone surrogates, NUL, quotes, emoji."""
sound_texts = st.text(max_size=60)
"""Texts that can be encoded."""

# Values.

plain_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False, allow_infinity=False),
    sound_texts,
)
plain_values = st.recursive(
    plain_scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=6), st.dictionaries(sound_texts, inner, max_size=6)),
    max_leaves=40,
)
"""What ``json.dumps`` writes and ``json.loads`` reads back unchanged."""


class HostileError(BaseException):
    """Not an Exception: only a net for BaseException catches it."""


def _raise(*_: object, **__: object) -> Any:
    raise HostileError


class RaisingRepr:
    __repr__ = __str__ = _raise


class ExitingRepr:
    def __repr__(self) -> str:
        sys.exit(3)


class WrongRepr:
    def __repr__(self) -> str:
        return 7  # type: ignore[return-value]  # that is what is hostile


class EndlessRepr:
    """A repr that calls itself."""

    def __repr__(self) -> str:
        return repr(self)


class RaisingClass:
    __class__ = property(_raise)


class LyingClass:
    __class__ = property(lambda _: dict)
    __len__ = __iter__ = items = keys = _raise


class RaisingEverything:
    """Every question that Python lets a class answer itself raises."""

    __slots__ = ()
    __getattribute__ = __getattr__ = __repr__ = __str__ = __len__ = __iter__ = __eq__ = __hash__ = _raise
    __bool__ = __format__ = __sizeof__ = __dir__ = __contains__ = __getitem__ = __index__ = __float__ = _raise


class RaisingMeta(type):
    """A metaclass whose classes cannot be hashed, compared or looked into."""

    __hash__ = __eq__ = __getattribute__ = __instancecheck__ = __subclasscheck__ = __repr__ = _raise


class OfRaisingMeta(metaclass=RaisingMeta):
    pass


class OddDict:
    __dict__ = property(lambda _: 5)  # type: ignore[assignment]  # that is what is hostile


class HostileStr(str):
    __slots__ = ()
    __len__ = __str__ = __repr__ = __getitem__ = __iter__ = __eq__ = __hash__ = __format__ = encode = isascii = _raise


class HostileStrKey(str):
    """A str that can be a key, and raises at everything else."""

    __slots__ = ()
    __len__ = __str__ = __repr__ = __getitem__ = __iter__ = __eq__ = __format__ = encode = isascii = _raise
    __hash__ = str.__hash__


class HostileInt(int):
    __str__ = __repr__ = __eq__ = __lt__ = __gt__ = __hash__ = __format__ = bit_length = _raise


class HostileFloat(float):
    __str__ = __repr__ = __eq__ = __ne__ = __lt__ = __gt__ = __hash__ = __format__ = _raise


class HostileDict(dict[Any, Any]):
    __len__ = __iter__ = __getitem__ = items = keys = values = __repr__ = _raise


class HostileList(list[Any]):
    __len__ = __iter__ = __getitem__ = __repr__ = _raise


class HostileBytes(bytes):
    __len__ = __iter__ = __getitem__ = __repr__ = _raise


class HostileKey:
    """A key that can be stored, and from then on raises."""

    def __init__(self) -> None:
        self.is_armed = False

    def __hash__(self) -> int:
        return _raise() if self.is_armed else 1

    __eq__ = __repr__ = __str__ = _raise


class EndlessSequence(collections.abc.Sequence[int]):
    def __len__(self) -> int:
        return -1  # noqa: PLE0303 - it lies, that is its point

    def __getitem__(self, index: Any) -> Any:
        return index

    def __iter__(self) -> Iterator[int]:
        number = 0
        while True:
            yield number
            number += 1


class EndlessMapping(collections.abc.Mapping[int, Any]):
    """Endless, and its values are endless mappings too."""

    __len__ = _raise

    def __getitem__(self, key: int) -> Any:
        return EndlessMapping()

    def __iter__(self) -> Iterator[int]:
        return iter(EndlessSequence())


class HalfwayMapping(collections.abc.Mapping[str, int]):
    """Raises after the first entry."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, key: str) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        yield "first"
        _raise()


class RaisingText(Exception):  # noqa: N818 - an exception whose text raises, not an error of that name
    __str__ = __repr__ = _raise


def armed_key() -> dict[Any, int]:
    """A dict with a key that raises from now on."""
    key = HostileKey()
    holder = {key: 1, "sound": 2}
    key.is_armed = True
    return holder


def own_list() -> list[Any]:
    """A list that contains itself."""
    cycle: list[Any] = [1]
    cycle.append(cycle)
    return cycle


def own_dict() -> dict[str, Any]:
    """A dict that contains itself."""
    cycle: dict[str, Any] = {"a": 1}
    cycle["self"] = cycle
    return cycle


def nested(depth: int, wrap: Callable[[Any], Any] = lambda inner: [inner]) -> Any:
    """A value inside ``depth`` containers."""
    value: Any = "bottom"
    for _ in range(depth):
        value = wrap(value)
    return value


def doubling(levels: int) -> list[Any]:
    """A list of few objects that is 2**levels entries long when written out."""
    value: list[Any] = ["x"]
    for _ in range(levels):
        value = [value, value]
    return value


def released_memory() -> memoryview:
    """A memoryview that can no longer be read."""
    view = memoryview(b"abc")
    view.release()
    return view


def dead_proxy() -> object:
    """A weak proxy of an object that is gone."""
    return weakref.proxy(WrongRepr())


HOSTILE: dict[str, Callable[[], Any]] = {
    "raising repr": RaisingRepr,
    "SystemExit in repr": ExitingRepr,
    "repr that is no str": WrongRepr,
    "repr without end": EndlessRepr,
    "raising __class__": RaisingClass,
    "lying __class__": LyingClass,
    "raising everything": RaisingEverything,
    "metaclass that raises": OfRaisingMeta,
    "class of a metaclass that raises": lambda: OfRaisingMeta,
    "odd __dict__": OddDict,
    "str with raising methods": lambda: HostileStr("text"),
    "int with raising methods": lambda: HostileInt(7),
    "float with raising methods": lambda: HostileFloat("nan"),
    "dict with raising methods": lambda: HostileDict(a=1),
    "list with raising methods": lambda: HostileList([1, 2]),
    "bytes with raising methods": lambda: HostileBytes(b"abc"),
    "key that raises": armed_key,
    "str key with raising methods": lambda: {HostileStrKey("key"): 1},
    "endless sequence": EndlessSequence,
    "endless mapping of endless mappings": EndlessMapping,
    "mapping that raises halfway": HalfwayMapping,
    "exception whose text raises": RaisingText,
    "cyclic list": own_list,
    "cyclic dict": own_dict,
    "list 5,000 deep": lambda: nested(5_000),
    "dict 5,000 deep": lambda: nested(5_000, lambda inner: {"a": inner}),
    "user list 5,000 deep": lambda: nested(5_000, lambda inner: UserList([inner])),
    "user dict 5,000 deep": lambda: nested(5_000, lambda inner: UserDict({"a": inner})),
    "exception 5,000 deep": lambda: nested(5_000, ValueError),
    "namespace 5,000 deep": lambda: nested(5_000, lambda inner: types.SimpleNamespace(a=inner)),
    "2**60 entries of 60 lists": lambda: doubling(60),
    "2**70": lambda: 2**70,
    "10**5000": lambda: 10**5000,
    "-10**5000": lambda: -(10**5000),
    "nan": lambda: float("nan"),
    "list with infinities": lambda: [float("inf"), float("-inf")],
    "text with lone surrogates": lambda: "a\ud800b\udfff",
    "dict with surrogates and NUL": lambda: {"\ud800": "\udc00\x00"},
    "bytes": lambda: b"\xff\xfe",
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "released memoryview": released_memory,
    "mock": mock.Mock,
    "magic mock": mock.MagicMock,
    "mock of a dict": lambda: mock.MagicMock(spec=dict),
    "mock of a str": lambda: mock.Mock(spec=str),
    "mock whose repr raises": lambda: mock.MagicMock(__repr__=_raise),
    "sentinel": lambda: mock.sentinel.anything,
    "lock": threading.Lock,
    "condition": threading.Condition,
    "file": io.BytesIO,
    "text file": lambda: io.StringIO("text"),
    "deque of itself": lambda: _with_itself(deque()),
    "dead weak proxy": dead_proxy,
    "object": object,
    "ellipsis": lambda: ...,
    "slice": lambda: slice(1, 2),
    "frame": sys._getframe,
    "code": lambda: nested.__code__,
    "event": asyncio.Event,
    "context": threading.local,
}
"""A name -> how to make a value that has broken some tracing library, or could."""


def _with_itself(holder: deque[Any]) -> deque[Any]:
    holder.append(holder)
    return holder


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How to make a value. Hypothesis itself trips over the hostile ones, so they are made inside the test.

    Attributes:
        kind: A name in ``HOSTILE`` or ``CONTAINERS``, or "ready".
        parts: The value if it is ready, else the recipes of the entries, pairs of key and recipe for a mapping.
    """

    kind: str
    parts: Any = ()

    def make(self) -> Any:
        """Make a fresh value."""
        if self.kind == "ready":
            return self.parts
        if self.kind in HOSTILE:
            return HOSTILE[self.kind]()
        if self.kind in MAPPINGS:
            return MAPPINGS[self.kind]({key: part.make() for key, part in self.parts.items()})
        return SEQUENCES[self.kind]([part.make() for part in self.parts])


SEQUENCES: dict[str, Callable[[list[Any]], Any]] = {"list": list, "tuple": tuple, "deque": deque, "UserList": UserList}
MAPPINGS: dict[str, Callable[[dict[Any, Any]], Any]] = {
    "dict": dict,
    "UserDict": UserDict,
    "ChainMap": collections.ChainMap,
    "mappingproxy": types.MappingProxyType,
}

_ready = st.one_of(
    plain_scalars,
    any_texts,
    st.floats(),
    st.binary(max_size=40),
    st.complex_numbers(),
    st.decimals(),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.uuids(),
)
_keys = st.one_of(any_texts, st.integers(), st.none(), st.floats(), st.tuples(st.integers(), any_texts))

recipes = st.recursive(
    st.one_of(st.builds(Recipe, st.just("ready"), _ready), st.builds(Recipe, st.sampled_from(sorted(HOSTILE)))),
    lambda inner: st.one_of(
        st.builds(Recipe, st.sampled_from(sorted(SEQUENCES)), st.lists(inner, max_size=8)),
        st.builds(Recipe, st.sampled_from(sorted(MAPPINGS)), st.dictionaries(_keys, inner, max_size=8)),
    ),
    max_leaves=30,
)
"""Recipes of anything: plain and hostile values inside containers of all kinds."""
