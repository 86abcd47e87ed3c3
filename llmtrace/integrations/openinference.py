"""`auto_instrument`: loads the OpenInference instrumentors that are installed, and a few others, each guarded.

An instrumentor is found by its entry point, so a new one needs no change here. One that fails is said once and left
out; one that the application has switched on already is left alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from opentelemetry.trace import TracerProvider

from llmtrace._guard import say_once
from llmtrace.exceptions import ConfigurationError

GROUP: Final = "openinference_instrumentor"
OWN: Final = (
    EntryPoint("httpx", "llmtrace.integrations.httpx:HttpxInstrumentor", GROUP),
    EntryPoint("logging", "llmtrace.integrations.logs:LoggingInstrumentor", GROUP),
)
"""Ours, in the same shape."""
_OPENTELEMETRY: Final = ("threading",)
"""Of OpenTelemetry's own instrumentors those that a trace needs to stay whole."""


def installed() -> Mapping[str, EntryPoint]:
    """The instrumentors that there are, by name."""
    others = (found for found in entry_points(group="opentelemetry_instrumentor") if found.name in _OPENTELEMETRY)
    return {found.name: found for found in (*entry_points(group=GROUP), *others, *OWN)}


def chosen(asked: bool | Sequence[str]) -> tuple[EntryPoint, ...]:
    """The instrumentors that `auto_instrument` means.

    Args:
        asked: True: all that are installed, and ours; names: those.

    Raises:
        ConfigurationError: for a name that is not installed.
    """
    if asked is False:
        return ()
    found = installed()
    if asked is True:
        return tuple(found.values())
    for name in asked:
        if name not in found:
            allowed = ", ".join(sorted(found))
            raise ConfigurationError(f"auto_instrument: {name!r:.80} has no entry point {GROUP!r}; allowed: {allowed}")
    return tuple(found[name] for name in dict.fromkeys(asked))


def instrument(points: Sequence[EntryPoint], provider: TracerProvider) -> list[Any]:
    """Switch on each of them; returns those that are on because of us."""
    started: list[Any] = []
    for point in points:
        try:
            instrumentor = point.load()()
            if not instrumentor.is_instrumented_by_opentelemetry:
                instrumentor.instrument(tracer_provider=provider)
                # One whose library is missing, or too old, says so itself and stays off.
                if instrumentor.is_instrumented_by_opentelemetry:
                    started.append(instrumentor)
        except Exception as error:  # noqa: BLE001 - somebody else's code at start
            _say_failed(point.name, error)
    return started


def uninstrument(started: Sequence[Any]) -> None:
    """Switch off what `instrument` switched on."""
    for instrumentor in started:
        try:
            instrumentor.uninstrument()
        except Exception as error:  # noqa: BLE001 - somebody else's code at the end
            _say_failed(type(instrumentor).__name__, error)


def _say_failed(name: str, error: Exception) -> None:
    say_once(f"instrumentor:{name}", "llmtrace: instrumentor %s failed with %s", name, type(error).__name__)
