"""Other distributions that import as ``llmtrace``."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from llmtrace._conflicts import conflicting_distributions, warn_of_conflicting_distributions


@pytest.fixture(autouse=True)
def fresh_warning():
    """Let each test meet the warning anew."""
    warn_of_conflicting_distributions.cache_clear()
    yield
    warn_of_conflicting_distributions.cache_clear()


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Put the trace of an installed distribution on the path."""

    def put(name):
        folder = tmp_path / f"{name.replace('-', '_')}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        monkeypatch.syspath_prepend(tmp_path)

    return put


def test_ours_alone_is_no_conflict(caplog):
    """With llmtrace-otel alone there is nothing to warn of."""
    assert conflicting_distributions() == ()
    warn_of_conflicting_distributions()
    assert caplog.records == []


@pytest.mark.parametrize("name", ["llmtrace", "llmtrace-sdk"])
def test_another_is_named_once(install, caplog, name):
    """The other distribution is named in one warning, however often it is asked for."""
    install(name)
    for _ in range(3):
        warn_of_conflicting_distributions()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("llmtrace", logging.WARNING)
    assert record.getMessage().startswith(f"{name} also imports as 'llmtrace'")


def test_both_stand_in_one_warning(install, caplog):
    """Two of them are one warning."""
    install("llmtrace-sdk")
    install("llmtrace")
    warn_of_conflicting_distributions()
    (record,) = caplog.records
    assert record.getMessage().startswith("llmtrace and llmtrace-sdk also imports")


def test_a_distribution_with_a_similar_name_is_none_of_them(install):
    """A name that only begins alike is no conflict."""
    install("llmtrace-extras")
    assert conflicting_distributions() == ()


def test_importing_llmtrace_does_not_look(tmp_path):
    """The import of llmtrace itself neither warns nor loads the check."""
    code = "import sys, llmtrace; sys.exit('llmtrace._conflicts' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
