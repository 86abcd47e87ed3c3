"""The command: check says what is right, odd or wrong; serve refuses what it cannot do safely."""

from __future__ import annotations

import subprocess
import sys

import pytest
from router_values import MINIMAL

from llmtrace.cli import main


def write(folder, text: str = MINIMAL):
    """Write the file; returns its path as an argument."""
    file = folder / "alerts.yaml"
    file.write_text(text)
    return str(file)


def test_check_says_that_a_file_is_right(tmp_path, capsys):
    """Status 0, the number of routes, and what is odd."""
    assert main(["router", "check", "--config", write(tmp_path)]) == 0
    output = capsys.readouterr().out
    assert "alerts.yaml: ok (1 route, 1 receiver)" in output
    assert "alerts.yaml:4:5: routes: an alert that no route matches" in output


def test_check_says_what_is_wrong(tmp_path, capsys):
    """Status 2 and one line on standard error."""
    assert main(["router", "check", "--config", write(tmp_path, "version: 3")]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("llmtrace: alerts.yaml:1:10: version: '3' is not allowed")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "example.org:80"])
def test_serve_refuses_an_address_that_others_can_reach(tmp_path, capsys, listen):
    """Without authentication only this machine may call."""
    assert main(["router", "serve", "--config", write(tmp_path), "--listen", listen]) == 2
    errors = capsys.readouterr().err
    assert f"listen: '{listen}' is reachable from other machines, which needs intake.auth and web.auth" in errors
    assert "allowed without: a loopback address" in errors


def test_serve_refuses_a_store_that_it_cannot_write(tmp_path, capsys):
    """The folder of the database must be there."""
    file = write(tmp_path, MINIMAL + "    store: sqlite:///none/router.db\n")
    assert main(["router", "serve", "--config", file, "--listen", "127.0.0.1:0"]) == 2
    assert "allowed: a file in a writable folder" in capsys.readouterr().err


def test_without_the_extra_the_command_names_it(tmp_path):
    """A base installation has the command; it says what to install."""
    code = "import sys; sys.modules['pydantic'] = None; from llmtrace.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "router", "check", "--config", write(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    assert ended.returncode == 2
    assert ended.stderr.endswith("pip install 'llmtrace-otel[router]'\n")
    assert ended.stderr.count("\n") == 1
