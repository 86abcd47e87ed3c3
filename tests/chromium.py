"""Find Debian's Chromium and start it headless, without anything that would call home."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

CHECKOUT = Path(__file__).parent.parent
PLACES = (Path("/usr/bin/chromium"), CHECKOUT / ".cache/debian/usr/bin/chromium")
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for as long as the block lasts; the test is skipped where there is none."""
    executable = next((place for place in PLACES if os.access(place, os.X_OK)), None)
    if executable is None:
        pytest.skip("needs the Debian package chromium: .ci/debian-packages brings it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
