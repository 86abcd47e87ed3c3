"""What all tests share: one real Phoenix, a browser, and in CI no skip that goes unseen."""

from __future__ import annotations

import os
import re
import secrets
import signal
from typing import TYPE_CHECKING

import httpx
import hypothesis
import pytest
from chromium import chromium
from phoenix_page import PhoenixPage
from phoenix_server import Phoenix

from llmtrace.backends.phoenix import PhoenixReader, PhoenixSettings, RunningPhoenix, start_phoenix

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser


# What a shell sends to the background ignores SIGINT, and so do its children: tests interrupt what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Under CI the same examples each time: what is green here is green there. At a desk they are new ones at every run.
_SAME = bool(os.environ.get("CI"))
hypothesis.settings.register_profile("short", max_examples=200, deadline=None, derandomize=_SAME)
hypothesis.settings.register_profile("full", max_examples=5_000, deadline=None, derandomize=_SAME)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))


@pytest.fixture(scope="session", autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Programs that a test starts put their spool into a folder of this session's, not into whoever's home."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


# Where a call's time is given out (tests/test_budget.py holds that it ends), and tests that want all of a record.
_GIVES_TIME = ("llmtrace._guard", "llmtrace.context", "llmtrace._attributes.budget")
_UNHURRIED = {"acceptance", "integrations", "matrix", "recorders"}


@pytest.fixture(autouse=True)
def unhurried(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that stalls for two milliseconds must not decide what is recorded."""
    if request.path.parent.name in _UNHURRIED:
        for module in _GIVES_TIME:
            monkeypatch.setattr(f"{module}.BUDGET", 250_000_000)


@pytest.fixture(scope="session")
def phoenix_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPhoenix]:
    """One Phoenix for the whole session, started by the first test that wants it."""
    settings = PhoenixSettings(tmp_path_factory.mktemp("phoenix"), port=0, grpc_port=0)
    with start_phoenix(settings) as running:
        yield running


@pytest.fixture
def phoenix(phoenix_process: RunningPhoenix, request: pytest.FixtureRequest) -> Iterator[Phoenix]:
    """The session's Phoenix with a project of this test's own."""
    name = re.sub(r"[^\w-]+", "-", request.node.name)
    project = f"{name}-{secrets.token_hex(4)}"
    with httpx.Client(base_url=phoenix_process.base_url, trust_env=False) as client:
        yield Phoenix(phoenix_process.base_url, project, client, PhoenixReader(client, project))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. One a module, not one a session: while it lives, its event loop bars any other here."""
    with chromium() as running:
        yield running


@pytest.fixture
def phoenix_page(browser: Browser, phoenix: Phoenix) -> Iterator[PhoenixPage]:
    """A fresh page of the browser that has no cookie and has opened nothing."""
    with browser.new_context(viewport={"width": 1440, "height": 1250}, timezone_id="UTC") as context:
        yield PhoenixPage(context.new_page(), phoenix.base_url)


# What one run starts once: tests that share such a thing stay on one worker.
_ONCE = {"phoenix_process": "phoenix", "browser": "phoenix", "postgres_server": "postgres"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tell the workers of ``-n 2`` what stays together: the tests of one Phoenix, of one PostgreSQL, of one file."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        group = next((group for name, group in _ONCE.items() if name in fixtures), item.nodeid.partition("::")[0])
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI a skip, or an expected failure, has failed; and a lone surrogate does not leave its worker."""
    report = yield
    report.sections = [(name, _sound(text)) for name, text in report.sections]
    if report.failed and _sound(report.longreprtext) != report.longreprtext:
        report.longrepr = _sound(report.longreprtext)
    if os.environ.get("CI") and report.skipped:
        reason = getattr(report, "wasxfail", None) or _reason(report)
        report.outcome = "failed"
        report.longrepr = f"skipped under CI, which counts as failed: {reason}"
        report.__dict__.pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Under CI a module that was skipped as a whole has failed."""
    report = yield
    if os.environ.get("CI") and report.skipped:
        report.longrepr = f"skipped under CI, which counts as failed: {_reason(report)}"
        report.outcome = "failed"
    return report


def _sound(text: str) -> str:
    """What can be sent to the process that prints it."""
    return text.encode("utf-8", "backslashreplace").decode()


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    return str(report.longrepr[-1]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
