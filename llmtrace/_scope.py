"""Making a context current and leaving it again, also where a generator keeps it while it is suspended.

OpenTelemetry's own ``detach`` logs "Failed to detach context" when a generator is closed from another task, and then
the next span gets a dead parent. Here a context that is entered in a generator's own frame is a `Hold`. Whoever reads
the current context asks, by `here`, which one counts: outside of the generator that of the consumer, in its body its
own, also where another thread or task goes on with it. `Steps` is for generators that llmtrace itself runs.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, ItemsView, Iterator, ValuesView
from contextvars import Token
from dataclasses import dataclass
from inspect import CO_ASYNC_GENERATOR, CO_GENERATOR
from types import FrameType
from typing import Any, Final, TypeVar, cast

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

from llmtrace._place import is_gone, is_here, place

T = TypeVar("T")

current: Callable[[], Context]
attach: Callable[[Context], Token[Context]]
reset: Callable[[Token[Context]], None]
_runtime: Final = otel_context._RUNTIME_CONTEXT  # noqa: SLF001 - OpenTelemetry's functions are three calls around it
if type(_runtime) is ContextVarsRuntimeContext:
    _variable: Final = _runtime._current_context  # noqa: SLF001 - and it is two around its variable
    current, attach, reset = _variable.get, _variable.set, _variable.reset
else:
    current, attach, reset = _runtime.get_current, _runtime.attach, _runtime.detach

GENERATORS: Final = CO_GENERATOR | CO_ASYNC_GENERATOR
ENTERING: Final = frozenset({"__enter__", "__aenter__", "enter_context", "enter_async_context"})
"""Functions that enter a context on behalf of whoever calls them."""
_FIXTURES: Final = (
    ("contextlib", ""),
    ("_pytest", ""),
    ("pytest", ""),
    ("anyio.pytest_plugin", ""),
    ("anyio._backends", "TestRunner."),
)
"""Code that drives a generator as a context manager or fixture, by module and qualified name: there the context is
meant for the code outside."""
_STEPS: Final = globals()
"""This module, as a frame shows it: a generator that is run from here is run by `Steps`."""
_HOLD: Final = otel_context.create_key("llmtrace-hold")

holds: Final[dict[int, list[Hold]]] = {}
"""The holds of all generators that are neither finished nor lost, by the id of the frame, the innermost last.

An id and not the frame: a frame that somebody refers to outlives its generator, and with it everything in it.
"""


def detach(token: Token[Context]) -> bool:
    """Leave the context that `token` stands for; False where it was entered in another execution context."""
    try:
        reset(token)  # the public detach logs the failure that we expect
    except (ValueError, RuntimeError):
        return False
    return True


def here() -> Context:
    """The context that counts here: the current one, unless a generator's is in it, or missing from it."""
    context = current()
    return context if type(context) is Context and not holds else _resolve(context)


@dataclass(frozen=True, slots=True)
class Keeper:
    """What is to be done for somebody whose context a generator holds. Each is called with `who`."""

    held: Callable[[Any, Hold], None]
    """It is held now."""
    lost: Callable[[Any], None]
    """The generator is gone, and none of its code ran at its end."""


class Hold:
    """A context that was entered in a generator's frame, and may be kept while the generator is suspended."""

    __slots__ = ("__weakref__", "_frame", "_keeper", "_place", "_state", "_token", "_who", "context", "outside")

    def __init__(
        self, frame: FrameType, outside: Context, context: Context, keeper: Keeper | None, who: object
    ) -> None:
        self.outside = outside
        self.context = Context({**context, _HOLD: self})
        self._frame = id(frame)
        self._place = place()
        self._keeper = keeper
        self._who = who
        self._state = "held"
        holds.setdefault(self._frame, []).append(self)
        self._token = attach(_Held(self.context))
        if keeper is not None:
            keeper.held(who, self)

    def release(self) -> None:
        """Leave the context; where that is no longer possible, or no longer its turn, it does not count any more."""
        self._forget()
        now = current()
        is_left = type(now) is _Held and now.get_hold() is self and detach(self._token)
        self._state = "left" if is_left else "stuck"
        if not is_left and type(now) is _Held and now.get_hold() is self:
            attach(self.outside)

    def lose(self) -> None:
        """The generator's frame is gone, and no code of its body ran for it."""
        if self._state == "held":
            self._forget()
            self._state = "stuck"
            if self._keeper is not None:
                self._keeper.lost(self._who)

    def request_is_over(self) -> None:
        """The request that the generator was read for is over: it is lost where its reader is gone."""
        if is_gone(self._place):
            self.lose()

    @property
    def is_away(self) -> bool:
        """Whether this context does not count here, given that the generator is not what is running here and now.

        A task or thread that was started inside has a context of its own: for it the generator is never away.
        """
        return self._state == "stuck" or (self._state == "held" and is_here(self._place))

    def seen_running(self) -> None:
        """The generator is running here and now, perhaps in another task than the one that it began in."""
        if not is_here(self._place):
            self._place = place()

    def _forget(self) -> None:
        stack = holds.get(self._frame)
        if stack is not None and self in stack:
            stack.remove(self)
            if not stack:
                del holds[self._frame]


class Grip:
    """What the frame of a generator keeps of its hold: when the frame goes, so does it."""

    __slots__ = ("hold",)

    def __init__(self, hold: Hold) -> None:
        self.hold = hold

    def __del__(self) -> None:
        # A generator that is collected after its event loop was closed ends without running its `finally`.
        self.hold.lose()


class Kept:
    """A context entered in the frame of a generator that llmtrace runs: it travels with the generator's own."""

    __slots__ = ("_context", "_outside", "_token")

    def __init__(self, outside: Context, context: Context) -> None:
        self._outside = outside
        self._context = context
        self._token = attach(context)

    def release(self) -> None:
        """Leave the context, also where a later step runs in another thread."""
        if not detach(self._token) and current() is self._context:
            attach(self._outside)


Entered = Token[Context] | Grip | Kept


def enter(
    frame: FrameType, outside: Context, context: Context, keeper: Keeper | None = None, who: object = None
) -> Entered:
    """Make `context` current for the code in `frame`.

    Args:
        frame: the frame that enters: a generator's that is iterated is found out here.
        outside: the context that counted before.
        context: the new one.
        keeper: told of a generator that holds the context.
        who: whose context it is.
    """
    code = frame.f_code
    if code.co_flags & GENERATORS or code.co_name in ENTERING:
        generator = _generator_of(frame)
        if generator is not None:
            if generator.f_back is not None and generator.f_back.f_globals is _STEPS:
                return Kept(outside, context)
            return Grip(Hold(generator, outside, context, keeper, who))
    return attach(context)


def take(entries: list[tuple[T, Context, Entered]]) -> tuple[T, Context, Entered]:
    """Take out the entry to be left now: the last one, or where tasks share the block that made them, this task's."""
    if len(entries) == 1:
        return entries.pop()
    now = current()
    hold = now.get_hold() if isinstance(now, _Held) else None
    for entry in reversed(entries):
        _, context, entered = entry
        if context is now or (isinstance(entered, Grip) and entered.hold is hold):
            break
    else:
        entry = entries[-1]
    entries.remove(entry)
    return entry


def leave(entered: Entered) -> None:
    """Make the context from before current again."""
    if type(entered) is Token:
        try:
            reset(entered)
        except (ValueError, RuntimeError):  # entered in another execution context
            return
    elif isinstance(entered, Grip):
        entered.hold.release()
    else:
        entered.release()


class Steps:
    """A context that goes on from step to step of a generator, and is nobody else's between two steps.

    What the body attaches itself, across its own yields, is kept for its next step and hidden from the consumer.
    """

    __slots__ = ("_context",)

    def __init__(self, context: Context) -> None:
        self._context = context

    def run(self, resume: Callable[..., Any], *sent: Any, **named: Any) -> Any:
        """Run the body to its next yield."""
        token = attach(self._context)
        try:
            return resume(*sent, **named)
        finally:
            self._context = current()
            detach(token)

    async def wait(self, resume: Callable[..., Awaitable[Any]], *sent: Any, **named: Any) -> Any:
        """Run the body to its next yield; while it waits, its task keeps its context."""
        token = attach(self._context)
        try:
            return await resume(*sent, **named)
        finally:
            self._context = current()
            detach(token)


def is_for_outside(frame: FrameType) -> bool:
    """Whether the generator with this frame is run as a context manager or fixture, not iterated."""
    return frame.f_back is not None and _is_fixture(frame.f_back)


class _Held(Context):
    """A hold's context as it stands in the context variable: to anybody who reads it, the one that counts there."""

    def get_hold(self) -> Hold:
        return cast("Hold", dict.get(self, _HOLD))

    def get(self, key: str, default: Any = None) -> Any:
        return _resolve(self).get(key, default)

    def copy(self) -> dict[str, object]:
        return _resolve(self).copy()

    def keys(self) -> Any:
        return _resolve(self).keys()

    def values(self) -> ValuesView[object]:  # type: ignore[override]
        return _resolve(self).values()

    def items(self) -> ItemsView[str, object]:  # type: ignore[override]
        return _resolve(self).items()

    def __getitem__(self, key: str) -> object:
        return _resolve(self)[key]

    def __contains__(self, key: object) -> bool:
        return key in _resolve(self)

    def __iter__(self) -> Iterator[str]:
        return iter(_resolve(self))

    def __len__(self) -> int:
        return len(_resolve(self))

    def __eq__(self, other: object) -> bool:
        return _resolve(self) == other

    __hash__ = None  # type: ignore[assignment]


def _resolve(context: Context) -> Context:
    running = _running() if holds else None
    hold = _hold_in(context)
    if running is not None:
        running.seen_running()
        if not _is_within(hold, running):
            return running.context  # its body runs in a context that it does not know
    while hold is not None and hold is not running and (running is not None or hold.is_away):
        context = hold.outside
        hold = _hold_in(context)
    return hold.context if hold is not None and type(context) is _Held else context


def _hold_in(context: Context) -> Hold | None:
    hold = dict.get(context, _HOLD)
    return hold if isinstance(hold, Hold) else None


def _is_within(hold: Hold | None, outer: Hold) -> bool:
    while hold is not None and hold is not outer:
        hold = _hold_in(hold.outside)
    return hold is outer


def _running() -> Hold | None:
    """The hold of the innermost generator that is running here and now."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001 - the only way to know what is running
    while frame is not None:
        stack = holds.get(id(frame))
        if stack:
            return stack[-1]
        frame = frame.f_back
    return None


def _generator_of(frame: FrameType) -> FrameType | None:
    """The generator's frame that keeps a context entered in `frame` while it is suspended; None where none does.

    A generator behind ``contextlib.contextmanager``, a method ``__enter__`` and an ExitStack pass it on to whoever
    enters them.
    """
    at: FrameType | None = frame
    while at is not None:
        if at.f_code.co_flags & GENERATORS:
            driver = _first_plain(at.f_back)
            if driver is None or not _is_fixture(driver):
                return at
            at = driver
        elif not _is_fixture(at):
            return None
        at = at.f_back
    return None


def _first_plain(frame: FrameType | None) -> FrameType | None:
    """The frame that drives a generator, past generators that delegate to it and the driver of a decorated one."""
    while frame is not None and (
        frame.f_code.co_flags & GENERATORS or frame.f_globals.get("__name__") == "llmtrace._drive"
    ):
        frame = frame.f_back
    return frame


def _is_fixture(frame: FrameType) -> bool:
    """Whether this is code that runs a generator as a context manager or fixture."""
    if frame.f_code.co_name in ENTERING:
        return True
    module = str(frame.f_globals.get("__name__", ""))
    return any(
        (module == name or module.startswith((f"{name}.", f"{name}_"))) and frame.f_code.co_qualname.startswith(inner)
        for name, inner in _FIXTURES
    )
