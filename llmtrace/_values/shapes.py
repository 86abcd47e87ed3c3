"""What a value is made of: a number, a text, or entries to read one by one; never more than was asked for.

This is the half of the serialiser that knows Python's types. It decides by the real type (``type(value)`` and its
storage), never by what the value says of itself: ``__class__``, ``__len__``, ``__eq__`` and ``__getattr__`` are not
asked, so mocks and proxies fool nobody. Known types are read from their storage, iterators are named and never
advanced, arrays are described by shape and dtype. Only what is known by nothing else is asked for its ``__repr__``,
once. What user code raises here passes to the caller, which also counts characters, depth and time.
"""

from __future__ import annotations

import _thread
import dataclasses
import enum
import functools
import itertools
import types
from collections import OrderedDict, UserString, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from llmtrace._values.storage import (
    ABSENT,
    attribute,
    class_name,
    dotted,
    exact_text,
    mro,
    namespace,
    opaque,
    qualname,
    storage_of,
    stored,
    top_module,
)

MARK_HIDDEN: Final = "…[hidden]"
"""In place of a field that its author hides: ``repr=False``, and in pydantic ``exclude=True``."""
INT_BITS: Final = 8192
"""An integer of more bits is described: its digits take quadratic time, and CPython refuses more than 4,300 of them."""
BULK: Final = 256
"""Entries taken at once from a builtin container: in one call in C, which other threads hardly ever interrupt."""
_DTYPE_CHARACTERS: Final = 100
_DECIMAL_BYTES: Final = 65_536
_NOT_FINITE: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


class Atom(NamedTuple):
    """A value that is JSON already: a number, true, false, null."""

    json: str


class Contents(NamedTuple):
    """A container: its entries (pairs if it is a mapping), how many if that is certain, how many to take at once."""

    entries: Iterator[Any]
    size: int | None
    is_mapping: bool
    step: int


Shape = str | Atom | Contents
Handler = Callable[[Any], Shape]


def shape_of(value: object) -> Shape:
    """Say what ``value`` is made of. May raise whatever the user's code raises, BaseException included."""
    cls = type(value)
    handler = _EXACT.get(id(cls))
    if handler is None:
        handler = _known_classes.get(cls)
        if handler is None:
            handler = _known_classes[cls] = _classify(cls)
    return handler(value)


# Scalars.


def _integer(value: int) -> Shape:
    bits = int.bit_length(value)
    return f"<int: {bits} bits>" if bits > INT_BITS else Atom(int.__repr__(value))


def _number(value: float) -> Shape:
    text = float.__repr__(value)
    # Not numbers in JSON: as texts, spelt as JavaScript and pydantic spell them.
    return _NOT_FINITE.get(text) or Atom(text)


def _binary(base: type[Any]) -> Handler:
    def handle(value: Any) -> Shape:
        # Not base64: nobody reads it, and a secret inside would be hidden from redaction too.
        return f"<{class_name(type(value))}: {base.__len__(value)} B>"

    return handle


def _memory(value: memoryview) -> Shape:
    return f"<memoryview: {value.nbytes} B>"


def _decimal(value: Any) -> Shape:
    return opaque(value) if value.__sizeof__() > _DECIMAL_BYTES else _string(value)


def _moment(value: Any) -> Shape:
    return exact_text(value.isoformat())


def _string(value: object) -> Shape:
    return exact_text(str(value))


def _member(value: enum.Enum) -> Shape:
    inner = storage_of(value).get("_value_", ABSENT)
    if type(inner) in (str, int, float, bool):
        return shape_of(inner)
    return f"{class_name(type(value))}.{value._name_}"


# Containers: read from the storage, whatever a subclass overrides.


def _mapping(value: dict[Any, Any]) -> Shape:
    return Contents(iter(dict.items(value)), dict.__len__(value), is_mapping=True, step=BULK)


def _ordered(value: OrderedDict[Any, Any]) -> Shape:
    # Only OrderedDict itself knows its order after move_to_end.
    return Contents(iter(OrderedDict.items(value)), dict.__len__(value), is_mapping=True, step=BULK)


def _builtin_items(base: type[Any]) -> Handler:
    def handle(value: Any) -> Shape:
        return Contents(base.__iter__(value), base.__len__(value), is_mapping=False, step=BULK)

    return handle


def _tuple(value: tuple[Any, ...]) -> Shape:
    names = attribute(type(value), "_fields")
    if type(names) is tuple and len(names) == tuple.__len__(value) > 0:
        return _pairs(zip(names, tuple.__iter__(value), strict=True), len(names))
    return Contents(tuple.__iter__(value), tuple.__len__(value), is_mapping=False, step=BULK)


def _pairs(pairs: Iterable[tuple[Any, Any]], size: int | None = None) -> Shape:
    return Contents(iter(pairs), size, is_mapping=True, step=1)


def _view(value: Iterable[Any]) -> Shape:
    return Contents(iter(value), None, is_mapping=False, step=BULK)


def _foreign_mapping(value: Mapping[Any, Any]) -> Shape:
    return _pairs((key, value[key]) for key in value)


def _foreign_items(value: Iterable[Any]) -> Shape:
    # Its __len__ may lie: the size is not asked.
    return Contents(iter(value), None, is_mapping=False, step=1)


def _user_string(value: UserString) -> Shape:
    data = storage_of(value).get("data")
    return data if type(data) is str else opaque(value)


# What has a name.


def _named(label: str) -> Handler:
    def handle(value: Any) -> Shape:
        return f"<{label} {dotted(getattr(value, '__module__', None), value.__qualname__)}>"

    return handle


def _method(value: types.MethodType) -> Shape:
    return f"<method {_callable_name(value.__func__)}>"


def _partial(value: functools.partial[Any]) -> Shape:
    return f"<partial {_callable_name(value.func)}>"


def _callable_name(value: Any) -> str:
    if type(value) in (types.FunctionType, types.BuiltinFunctionType):
        return dotted(value.__module__, value.__qualname__)
    return class_name(value) if issubclass(type(value), type) else class_name(type(value))


def _class(value: type) -> Shape:
    return f"<class {class_name(value)}>"


def _module(value: types.ModuleType) -> Shape:
    return f"<module {dotted(None, storage_of(value).get('__name__'))}>"


# These call repr on arguments of any size.
_STR_OF_ARGUMENTS: Final = (BaseException.__dict__["__str__"], KeyError.__dict__["__str__"])


def _exception(value: BaseException) -> Shape:
    name = class_name(type(value))
    if attribute(type(value), "__str__") not in _STR_OF_ARGUMENTS:
        return f"{name}: {exact_text(str(value))}"
    arguments = BaseException.__dict__["args"].__get__(value)
    if not arguments:
        return name
    if len(arguments) == 1 and type(arguments[0]) is str:
        return f"{name}: {arguments[0]}"
    return _pairs([("exception", name), ("args", arguments)], 2)


# What declares its fields: read from where they are stored, so that no property, lazy loader or __getattr__ runs.


def _fields(value: object, shown: Sequence[tuple[str, bool]]) -> Shape:
    return _pairs(((name, stored(value, name) if visible else MARK_HIDDEN) for name, visible in shown), len(shown))


def _dataclass(value: Any) -> Shape:
    return _fields(value, [(field.name, field.repr) for field in dataclasses.fields(type(value))])


def _attrs(value: Any) -> Shape:
    return _fields(value, [(field.name, bool(field.repr)) for field in attribute(type(value), "__attrs_attrs__")])


def _struct(value: Any) -> Shape:
    return _fields(value, [(name, True) for name in attribute(type(value), "__struct_fields__")])


def _namespace_object(value: types.SimpleNamespace) -> Shape:
    return _mapping(storage_of(value))


def _pydantic(value: Any) -> Shape:
    cls = type(value)
    if attribute(cls, "__pydantic_root_model__") is True:
        return _pydantic_root(value)
    return _pairs(_pydantic_pairs(value, _pydantic_fields(cls)))


def _pydantic_root(value: Any) -> Shape:
    root = stored(value, "root")
    # One level only: a root model of itself would otherwise never end.
    return _pairs([("root", root)], 1) if type(root) is type(value) else shape_of(root)


def _pydantic_fields(cls: type) -> Mapping[str, Any]:
    for name in ("__pydantic_fields__", "model_fields"):
        fields = attribute(cls, name)
        if type(fields) is dict:
            return fields
    return {}


def _pydantic_pairs(value: Any, fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, info in list(fields.items()):
        hidden = info.repr is False or info.exclude is True
        yield name, MARK_HIDDEN if hidden else stored(value, name)
    extra = stored(value, "__pydantic_extra__")
    if type(extra) is dict:
        yield from list(extra.items())


# Arrays and tables.

_ARRAY_LIBRARIES: Final = frozenset(
    {"numpy", "pandas", "torch", "polars", "pyarrow", "tensorflow", "jax", "jaxlib", "cupy", "scipy", "xarray", "dask"}
)


def _is_array(cls: type) -> bool:
    return any("shape" in namespace(base) and top_module(base) in _ARRAY_LIBRARIES for base in mro(cls))


def _array(value: Any) -> Shape:
    cls = type(value)
    if attribute(cls, "item") is not ABSENT and any(qualname(base) == "generic" for base in mro(cls)):
        return _array_scalar(value)
    dtype = getattr(value, "dtype", None)
    described = "" if dtype is None else f" dtype={str(dtype)[:_DTYPE_CHARACTERS]}"
    # A lazy array's side may be a computation: only plain numbers are shown.
    sides = ", ".join(str(side) if type(side) is int else "?" for side in value.shape)
    return f"<{class_name(cls)} shape=({sides}){described}>"


def _array_scalar(value: Any) -> Shape:
    plain = value.item()
    # A long double has no Python equal: item() answers the scalar itself.
    return opaque(value) if _is_array(type(plain)) else shape_of(plain)


# Everything else.


def _unknown(value: object) -> Shape:
    return exact_text(repr(value))


def _classify(cls: type) -> Handler:
    bases = mro(cls)
    for base in bases:
        handler = _EXACT.get(id(base)) or _BY_NAME.get((top_module(base), qualname(base)))
        if handler is not None:
            return handler
    for declaration, handler in _DECLARED:
        if attribute(cls, declaration) is not ABSENT:
            return handler
    if _is_array(cls):
        return _array
    for abstract, handler in _ABSTRACT:
        if issubclass(cls, abstract):
            return handler
    if attribute(cls, "__repr__") is object.__dict__["__repr__"]:
        return opaque
    return _unknown


_DECLARED: Final[tuple[tuple[str, Handler], ...]] = (
    ("__dataclass_fields__", _dataclass),
    ("__pydantic_validator__", _pydantic),
    ("__pre_root_validators__", _namespace_object),  # pydantic 1: every field stands in __dict__
    ("__attrs_attrs__", _attrs),
    ("__struct_fields__", _struct),  # msgspec
)

_ABSTRACT: Final[tuple[tuple[Any, Handler], ...]] = (
    (Mapping, _foreign_mapping),
    (Sequence, _foreign_items),
    (AbstractSet, _foreign_items),
)

_BY_TYPE: Final[dict[type, Handler]] = {
    types.NoneType: lambda _: Atom("null"),
    bool: lambda value: Atom("true" if value else "false"),
    int: _integer,
    float: _number,
    complex: complex.__repr__,
    str: exact_text,
    UserString: _user_string,
    bytes: _binary(bytes),
    bytearray: _binary(bytearray),
    memoryview: _memory,
    dict: _mapping,
    OrderedDict: _ordered,
    list: _builtin_items(list),
    tuple: _tuple,
    set: _builtin_items(set),
    frozenset: _builtin_items(frozenset),
    deque: _builtin_items(deque),
    range: range.__repr__,
    type({}.keys()): _view,
    type({}.values()): _view,
    type({}.items()): _view,
    types.MappingProxyType: _foreign_mapping,
    types.SimpleNamespace: _namespace_object,
    enum.Enum: _member,
    BaseException: _exception,
    types.FunctionType: _named("function"),
    types.BuiltinFunctionType: _named("function"),
    types.MethodType: _method,
    functools.partial: _partial,
    type: _class,
    types.ModuleType: _module,
    types.GeneratorType: _named("generator"),
    types.CoroutineType: _named("coroutine"),
    types.AsyncGeneratorType: _named("async generator"),
    itertools.repeat: opaque,
    _thread.LockType: opaque,
    _thread.RLock: opaque,
}

# By name, so that nobody waits for imports: whoever holds such a value has imported its module.
_BY_NAME: Final[dict[tuple[str, str], Handler]] = {
    ("datetime", "date"): _moment,
    ("datetime", "time"): _moment,
    ("datetime", "timedelta"): _string,
    ("decimal", "Decimal"): _decimal,
    ("pathlib", "PurePath"): _string,
    ("uuid", "UUID"): _string,
}

# By identity: the hash of a class is its metaclass's, that is, the user's code.
_EXACT: Final[dict[int, Handler]] = {id(cls): handler for cls, handler in _BY_TYPE.items()}

# Weak, so that classes made at run time can go.
_known_classes: Final[WeakKeyDictionary[type, Handler]] = WeakKeyDictionary()
