"""The command line as a whole: versions, misuse, errors, interrupts."""

from __future__ import annotations

import subprocess
import sys

import pytest

import llmtrace
from llmtrace import _conflicts
from llmtrace.cli import main, phoenix
from llmtrace.exceptions import ConfigurationError, LlmtraceError


@pytest.fixture(autouse=True)
def fresh_warning():
    """Let each test meet the warning about other distributions anew."""
    _conflicts.warn_of_conflicting_distributions.cache_clear()
    yield
    _conflicts.warn_of_conflicting_distributions.cache_clear()


def fail_with(error):
    """A command's body that fails so."""

    def run(_arguments):
        raise error

    return run


def test_it_says_its_version():
    """``python -m llmtrace --version`` prints the version of the package."""
    done = subprocess.run([sys.executable, "-m", "llmtrace", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"llmtrace {llmtrace.__version__}\n"
    assert done.stderr == ""


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["phoenix", "--port", "http"], ["phoenix", "--nonsense"]])
def test_misuse_is_status_2(arguments, capsys):
    """A missing or unknown command, option or value ends with status 2 and the usage, without a traceback."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: llmtrace")


def test_a_wrong_setting_is_one_line_and_status_2(monkeypatch, capsys):
    """A configuration error is one line on stderr, and status 2."""
    monkeypatch.setattr(phoenix, "run", fail_with(ConfigurationError("port: 7 is taken; allowed: a free port")))
    assert main(["phoenix"]) == 2
    assert capsys.readouterr().err == "llmtrace: port: 7 is taken; allowed: a free port\n"


def test_what_does_not_work_is_status_1(monkeypatch, capsys):
    """Any other error of ours is shown without a traceback, and status 1."""
    monkeypatch.setattr(phoenix, "run", fail_with(LlmtraceError("Phoenix ended with status 1")))
    assert main(["phoenix"]) == 1
    assert capsys.readouterr().err == "llmtrace: Phoenix ended with status 1\n"


def test_an_interrupt_is_quiet(monkeypatch, capsys):
    """Ctrl-C in a command that does not expect it ends with status 130 and not a word."""
    monkeypatch.setattr(phoenix, "run", fail_with(KeyboardInterrupt()))
    assert main(["phoenix"]) == 130
    assert capsys.readouterr().err == ""


def test_the_command_warns_of_another_distribution(monkeypatch, tmp_path, capsys):
    """Where another distribution of that name is installed, the command says so in one line on stderr."""
    (tmp_path / "llmtrace_sdk-1.0.dist-info").mkdir()
    (tmp_path / "llmtrace_sdk-1.0.dist-info" / "METADATA").write_text("Name: llmtrace-sdk\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(phoenix, "run", lambda _arguments: 0)
    assert main(["phoenix"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("llmtrace: llmtrace-sdk also imports as 'llmtrace'")
