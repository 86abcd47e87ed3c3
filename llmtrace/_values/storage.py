"""Types and objects read where they are stored, so that reading runs nobody's code.

A class is read through the descriptors of ``type`` and an instance through its ``__dict__`` and slots: no property,
lazy loader, ``__getattr__`` or metaclass takes part. What is not stored is said to be so.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MARK_NOT_STORED: Final = "…[not stored]"
"""In place of a field without a stored value: computed, lazily loaded or never set; reading it could run user code."""

# Read with the type's own descriptors: a metaclass may override the attributes, these it cannot reach.
mro: Final[Callable[[type], tuple[type, ...]]] = type.__dict__["__mro__"].__get__
namespace: Final[Callable[[type], Mapping[str, Any]]] = type.__dict__["__dict__"].__get__
qualname: Final[Callable[[type], str]] = type.__dict__["__qualname__"].__get__
module_of: Final[Callable[[type], Any]] = type.__dict__["__module__"].__get__
ABSENT: Final = object()


def exact_text(text: str) -> str:
    """The characters of a str or of a subclass with whatever methods, as a plain str."""
    return text if type(text) is str else str.__str__(text)


def opaque(value: object) -> str:
    """``<module.Class object>``: what can be said of anything without asking it."""
    return f"<{class_name(type(value))} object>"


def class_name(cls: type) -> str:
    """The qualified name of a class, without ``builtins.``."""
    return dotted(module_of(cls), qualname(cls))


def top_module(cls: type) -> str:
    """The package that a class says it comes from; empty if it says nothing sensible."""
    module = module_of(cls)
    return module.partition(".")[0] if type(module) is str else ""


def dotted(module: object, name: Any) -> str:
    """``module.name`` without ``builtins.``, whatever odd things the two may be."""
    text = exact_text(name) if issubclass(type(name), str) else "?"
    if type(module) is str and module != "builtins":
        return f"{module}.{text}"
    return text


def attribute(cls: type, name: str) -> Any:
    """What a class or its nearest base has under this name, as stored (a descriptor stays one), else ``ABSENT``."""
    for base in mro(cls):
        found = namespace(base).get(name, ABSENT)
        if found is not ABSENT:
            return found
    return ABSENT


def storage_of(value: object) -> dict[str, Any]:
    """The ``__dict__`` of an instance; empty if it has none or something odd instead."""
    try:
        found = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return found if type(found) is dict else {}


def stored(value: object, name: str) -> Any:
    """The value of a declared field, from ``__dict__``, slot or class default, else ``MARK_NOT_STORED``."""
    storage = storage_of(value)
    if name in storage:
        return storage[name]
    found = attribute(type(value), name)
    if type(found) is types.MemberDescriptorType:
        try:
            return found.__get__(value)
        except AttributeError:
            return MARK_NOT_STORED
    if found is ABSENT or attribute(type(found), "__get__") is not ABSENT:
        return MARK_NOT_STORED
    return found
