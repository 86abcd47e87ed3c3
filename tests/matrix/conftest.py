"""What the matrix shares: no hurry. A machine that is busy for two milliseconds must not decide what is recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULES = ("llmtrace._guard", "llmtrace.context", "llmtrace._attributes.budget")
"""Where a call's time is given out; that it ends is held by tests/test_budget.py."""


@pytest.fixture(autouse=True)
def unhurried() -> Iterator[None]:
    """A minute for each call."""
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            patch.setattr(f"{module}.BUDGET", 60 * 10**9)
        yield
