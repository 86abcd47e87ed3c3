"""Fixtures of the recording core's tests, loaded by `pytest_plugins` in each test module that wants them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util._once import Once
from otlp_sink import OtlpSink, otlp_sink

import llmtrace
from llmtrace import _guard, _provider
from llmtrace._stats import stats
from llmtrace.testing import capture_spans

StartTracing = Callable[..., Any]

_PREFIXES = ("OTEL_", "PHOENIX_", "LLMTRACE_", "OPENINFERENCE_")


@pytest.fixture
def clean_env(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting from the environment of whoever runs the tests."""
    for name in os.environ:
        if name.startswith(_PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture
def strict() -> Iterator[None]:
    """An error of ours fails the test instead of being swallowed."""
    _guard.set_strict(True)
    yield
    _guard.set_strict(False)


@pytest.fixture
def lenient() -> Iterator[None]:
    """As in an application: an error of ours is said and counted; each test begins a new life."""
    _guard.set_strict(False)
    _guard.forget_said()
    yield
    _guard.forget_said()


@pytest.fixture
def counts() -> Iterator[Callable[[], dict[str, int]]]:
    """What was counted since the test began."""
    stats.reset()
    yield stats.snapshot
    stats.reset()


@pytest.fixture
def spans() -> Iterator[list[ReadableSpan]]:
    """What is recorded, in the order in which it ends; nothing is sent."""
    with capture_spans() as captured:
        yield captured


@pytest.fixture
def sink() -> Iterator[OtlpSink]:
    """A backend that takes everything."""
    with otlp_sink() as running:
        yield running


@pytest.fixture
def router() -> Iterator[OtlpSink]:
    """A second one, where alerts go."""
    with otlp_sink() as running:
        yield running


@pytest.fixture
def fresh_otel(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry and llmtrace as in a process that has just begun: no provider is set."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER_SET_ONCE", Once())
    monkeypatch.setattr(_provider, "_own_provider", None)


@pytest.fixture
def start(sink: OtlpSink, clean_env: None, fresh_otel: None) -> Iterator[StartTracing]:
    """`init_tracing` towards the sink; shut down after the test."""

    def start_tracing(**settings: Any) -> Any:
        return llmtrace.init_tracing(**{"service_name": "tested", "endpoint": sink.url, **settings})

    stats.reset()
    yield start_tracing
    llmtrace.shutdown(timeout=0.2)
    stats.reset()
