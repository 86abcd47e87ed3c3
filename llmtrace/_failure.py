"""An exception in words: type, message and stack trace, whatever its own methods do, however large it is."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from llmtrace._values.serialize import MARK_UNRENDERED, to_text
from llmtrace._values.storage import attribute

_LONGEST: Final = 65_536
"""Characters of a message that is shown as Python shows it."""
_MOST_FRAMES: Final = 256
"""Frames of one stack: the innermost ones."""
_MOST_ERRORS: Final = 64
"""Causes, contexts and members of groups, together."""
_DEEPEST: Final = 8
_LIGHT: Final = (str, int, float, bool, type(None))
_STR_OF_ARGUMENTS: Final = (BaseException.__dict__["__str__"], KeyError.__dict__["__str__"])
"""These call ``repr`` on arguments of any size."""


def type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """The exception's text, whatever its ``__str__`` does."""
    if _is_heavy(error):
        arguments = BaseException.__dict__["args"].__get__(error)
        return to_text(arguments[0] if len(arguments) == 1 else arguments)
    try:
        return str.__str__(str(error))
    except Exception:  # noqa: BLE001 - user code
        return "<no message: its __str__ raised>"


def stack_trace(error: BaseException) -> str:
    errors = list(_tree(error))
    if len(errors) > _MOST_ERRORS or any(map(_is_heavy, errors)):
        return _own_format(error)
    try:
        text = "".join(traceback.format_exception(error, limit=-_MOST_FRAMES))
    except Exception:  # noqa: BLE001 - user code in __str__, __cause__ or the source loader
        return _frames(error.__traceback__)
    left_out = _depth(error.__traceback__) - _MOST_FRAMES
    return text if left_out <= 0 else f"{text}[{left_out} outer frames are left out]\n"


def _is_heavy(error: BaseException) -> bool:
    """Whether the exception's text is made of arguments that are no short texts or numbers."""
    if attribute(type(error), "__str__") not in _STR_OF_ARGUMENTS:
        return False
    arguments = BaseException.__dict__["args"].__get__(error)
    return any(
        type(item) not in _LIGHT or (type(item) is str and len(item) > _LONGEST) for item in arguments[:_MOST_ERRORS]
    ) or (len(arguments) > _MOST_ERRORS)


def _tree(error: BaseException) -> Iterator[BaseException]:
    """The exception with its causes, contexts and members, each once, and one more than are allowed at most."""
    waiting, seen = [error], set[int]()
    while waiting and len(seen) <= _MOST_ERRORS:
        found = waiting.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        members = found.exceptions[:_MOST_ERRORS] if isinstance(found, BaseExceptionGroup) else ()
        waiting += [item for item in (found.__cause__, found.__context__, *members) if item is not None]


def _own_format(error: BaseException) -> str:
    """As Python writes it, with bounded messages; of a very long chain only the last errors."""
    parts: list[str] = []
    found: BaseException | None = error
    for _ in range(_DEEPEST):
        if found is None:
            break
        message = to_text(exception_message(found), limit=_LONGEST)
        parts.append(
            f"Traceback (most recent call last):\n{_frames(found.__traceback__)}{type_name(found)}: {message}\n"
        )
        found = found.__cause__ or (None if found.__suppress_context__ else found.__context__)
    return "\nThe above exception was the direct cause of the following exception:\n\n".join(reversed(parts))


def _frames(stack: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_tb(stack, limit=-_MOST_FRAMES))
    except Exception:  # noqa: BLE001 - a source loader is user code
        return f"  {MARK_UNRENDERED}\n"


def _depth(stack: TracebackType | None) -> int:
    depth = 0
    while stack is not None:
        depth, stack = depth + 1, stack.tb_next
    return depth
