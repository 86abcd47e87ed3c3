"""The pytest plugin: the fixture `llmtrace_spans`. Loaded by pytest itself, so it imports nothing until it is used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from llmtrace.testing import CapturedSpans


@pytest.fixture
def llmtrace_spans() -> Iterator[CapturedSpans]:
    """What the test records, with ids and times that are the same in every run; nothing is sent."""
    from llmtrace.testing import capture_spans  # noqa: PLC0415 - most tests of an application do not trace

    with capture_spans(fixed=True) as spans:
        yield spans
