"""Under CI nothing is skipped unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = {
    "skip": "import pytest\ndef test_a():\n    pytest.skip('no browser')\n",
    "mark": "import pytest\n@pytest.mark.skip(reason='no browser')\ndef test_a(): pass\n",
    "fixture": "import pytest\n@pytest.fixture\ndef f(): pytest.skip('no browser')\ndef test_a(f): pass\n",
    "xfail": "import pytest\n@pytest.mark.xfail(reason='no browser', strict=True)\ndef test_a(): assert False\n",
    "module": "import pytest\npytest.skip('no browser', allow_module_level=True)\n",
}


def run_pytest(folder, source, ci):
    """Run pytest on one file with our conftest as a plugin, and give its status and output."""
    (folder / "test_case.py").write_text(source)
    environment = {key: value for key, value in os.environ.items() if key != "CI"} | ({"CI": "true"} if ci else {})
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # other people's plugins take seconds to load
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:phoenix", "-p", "conftest", "--rootdir", str(folder)]
    done = subprocess.run(
        [*command, "test_case.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("case", CASES)
def test_under_ci_a_skip_is_a_failure_that_is_listed(tmp_path, case):
    """Under CI any way of skipping fails the run and says why; elsewhere it does not."""
    status, output = run_pytest(tmp_path, CASES[case], ci=True)
    assert status in {1, 2}, output
    assert "skipped under CI, which counts as failed" in output
    assert "no browser" in output

    status, output = run_pytest(tmp_path, CASES[case], ci=False)
    assert status in {0, 5}, output


def test_under_ci_a_test_that_passes_passes(tmp_path):
    """What passes or fails without CI does so under it."""
    assert run_pytest(tmp_path, "def test_a(): pass\n", ci=True)[0] == 0
    assert run_pytest(tmp_path, "def test_a(): assert False\n", ci=True)[0] == 1
