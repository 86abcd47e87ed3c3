"""Making a context current and leaving it again, also where a generator keeps it while it is suspended.

OpenTelemetry's own ``detach`` logs "Failed to detach context" when a generator is closed from another task, and then
the next span gets a dead parent. Here a scope that was entered in a generator's frame is a `Hold`: whoever starts a
span asks it whether the generator is running; where it is suspended, or was closed elsewhere, the context outside of it
counts.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from contextvars import Token
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import FrameType
from typing import Final

from opentelemetry import context as otel_context
from opentelemetry.context import Context

attach = otel_context.attach
current = otel_context.get_current

_GENERATORS: Final = CO_GENERATOR | CO_ASYNC_GENERATOR
_CONTEXT_MANAGERS: Final = ("contextlib", "_pytest.", "pytest", "anyio.pytest_plugin", "anyio._backends")
"""Modules that drive a generator as a context manager or fixture: there the context is meant for the code outside."""


def detach(token: Token[Context]) -> bool:
    """Leave the context that `token` stands for; False where it was entered in another execution context."""
    try:
        otel_context._RUNTIME_CONTEXT.detach(token)  # noqa: SLF001 - the public detach logs the failure that we expect
    except (ValueError, RuntimeError):
        return False
    return True


class Hold:
    """A context that a suspended generator may be holding."""

    __slots__ = ("_frame", "_where", "context", "outside")

    def __init__(self, frame: FrameType, outside: Context, context: Context) -> None:
        self._frame: FrameType | None = frame
        self._where = _where()
        self.outside = outside
        self.context = context

    @property
    def is_away(self) -> bool:
        """Whether the generator is not what is running here and now.

        A task or thread that was started inside has a context of its own: for it the generator is never away.
        """
        if self._where != _where():
            return False
        frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to know what is running
        while frame is not None:
            if frame is self._frame:
                return False
            frame = frame.f_back
        return True

    def release(self, token: Token[Context]) -> None:
        """Leave the context; where that is no longer possible, or no longer its turn, the hold stays away for good."""
        self._frame = None
        if current() is self.context:
            detach(token)


def hold(frame: FrameType, outside: Context, context: Context) -> Hold | None:
    """A hold where `frame` is a generator's that is iterated; None for any other function."""
    if not frame.f_code.co_flags & _GENERATORS:
        return None
    driver = frame.f_back
    while driver is not None and driver.f_code.co_flags & _GENERATORS:
        driver = driver.f_back
    name = driver.f_globals.get("__name__", "") if driver is not None else ""
    return None if str(name).startswith(_CONTEXT_MANAGERS) else Hold(frame, outside, context)


def _where() -> tuple[int, object]:
    """The thread, and the task where there is one."""
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    return threading.get_ident(), id(task)
