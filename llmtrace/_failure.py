"""An exception in words: its type, its message and its stack trace, whatever its own methods do."""

from __future__ import annotations

import traceback


def type_name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def exception_message(error: BaseException) -> str:
    """The exception's text, whatever its ``__str__`` does."""
    try:
        return str.__str__(str(error))
    except Exception:  # noqa: BLE001 - user code
        return "<no message: its __str__ raised>"


def stack_trace(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:  # noqa: BLE001 - user code in __str__, __cause__ or the source loader
        return "".join(traceback.format_tb(error.__traceback__))
