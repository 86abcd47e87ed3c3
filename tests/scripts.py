"""Run a script in a Python process of its own, as a user would start it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

_SETTINGS = ("OTEL_", "PHOENIX_", "LLMTRACE_", "OPENINFERENCE_")


def run_script(
    code: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None, timeout: float = 30.0
) -> subprocess.CompletedProcess[str]:
    """Run Python code with warnings as errors and without the settings of this process.

    Where it takes too long the test fails, and neither the script nor a child of it is left behind.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_SETTINGS)}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    with subprocess.Popen(
        command,
        env={**kept, **(env or {})},
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            pytest.fail(f"the script hangs; it said: {out}{err}", pytrace=False)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def output_of(code: str, **arguments: object) -> str:
    """What a script prints that must end well and say nothing on stderr."""
    done = run_script(code, **arguments)  # type: ignore[arg-type]
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout
