"""No log line, no warning, no unraisable exception: what the matrix listens for."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest


@pytest.fixture(scope="module")
def small_heap() -> Iterator[None]:
    """A collection looks at what the tests made, not at every module: thousands of collections are made here."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def quiet(small_heap: None, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder) -> Iterator[None]:
    """Nothing is logged and nothing is warned of; at level DEBUG other libraries may talk to themselves."""
    caplog.set_level(logging.NOTSET)
    yield
    gc.collect()
    assert heard(caplog) == []
    assert [str(warning.message) for warning in recwarn] == []


def heard(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged since the test began, its setup included."""
    records = [record for phase in ("setup", "call", "teardown") for record in caplog.get_records(phase)]
    return [record.getMessage() for record in records if _counts(record)]


def _counts(record: logging.LogRecord) -> bool:
    if record.name.startswith(("llmtrace", "opentelemetry")):
        return True
    usual = logging.INFO if record.name in ("httpx", "httpx2") else logging.DEBUG
    return record.levelno > usual


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run in asyncio's debug mode, which says more."""
    with asyncio.Runner(debug=True) as runner:
        runner.get_loop().slow_callback_duration = 60.0  # a slow machine is not what is looked for
        return runner.run(main())


async def settle() -> None:
    """Let the loop close what was collected."""
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
