"""The matrix' own ear: it hears what the raw SDK says where ours is silent."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from quiet import heard, run


def test_the_raw_sdk_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    """A span that the raw SDK holds over a yield logs "Failed to detach context" when another task closes it."""
    caplog.set_level(logging.NOTSET)
    tracer = TracerProvider().get_tracer("raw")

    async def held() -> AsyncIterator[int]:
        with tracer.start_as_current_span("subject"):
            yield 1

    async def main() -> None:
        made = held()
        await anext(made)
        await asyncio.create_task(made.aclose())  # type: ignore[attr-defined]

    run(main)
    assert "Failed to detach context" in heard(caplog)
