"""A local Phoenix as a process of its own: how it starts, how it fails, how it is set."""

from __future__ import annotations

import os
import re
import socket
import stat
import sys
from pathlib import Path

import httpx
import pytest
from processes import children_of, environment_of, is_gone
from waiting import wait_until

from llmtrace.backends.phoenix import PhoenixSettings, default_working_dir, start_phoenix
from llmtrace.exceptions import ConfigurationError, LlmtraceError


@pytest.mark.phoenix
def test_it_answers_on_its_port_and_keeps_its_data_in_its_folder(phoenix_process):
    """A started Phoenix answers at its base URL; database and log lie in its folder."""
    assert httpx.get(f"{phoenix_process.base_url}/healthz", trust_env=False).status_code == 200
    folder = phoenix_process.log_file.parent
    assert (folder / "phoenix.db").exists()
    assert phoenix_process.base_url in phoenix_process.log_file.read_text()


@pytest.mark.phoenix
def test_it_calls_nobody_and_offers_no_agent(phoenix_process):
    """Its page loads nothing from elsewhere, and it runs with telemetry, assistant and MCP server off."""
    page = httpx.get(phoenix_process.base_url, trust_env=False).text
    assert "scarf" not in page
    assert "fonts.googleapis" not in page
    assert httpx.get(f"{phoenix_process.base_url}/mcp", trust_env=False).headers["content-type"].startswith("text/html")
    log = phoenix_process.log_file.read_text()
    for feature in ("Telemetry", "Agent assistant", "MCP server", "Web access", "Server-side bash"):
        assert re.search(rf"^ *{feature} .*Disabled$", log, re.MULTILINE), feature


@pytest.mark.phoenix
def test_successful_requests_are_not_logged(phoenix_process):
    """Only requests that fail reach the log, so that it does not grow with use."""
    httpx.get(f"{phoenix_process.base_url}/v1/projects?marker=fine", trust_env=False).raise_for_status()
    httpx.get(f"{phoenix_process.base_url}/v1/projects?limit=none&marker=wrong", trust_env=False)
    wait_until(lambda: "marker=wrong" in phoenix_process.log_file.read_text(), "the failed request in the log")
    assert "marker=fine" not in phoenix_process.log_file.read_text()


@pytest.mark.phoenix
def test_a_start_that_takes_too_long_is_given_up(tmp_path, monkeypatch):
    """After the deadline the start fails with one error, and no process is left; a caller's PHOENIX_* stay outside."""
    monkeypatch.setenv("PHOENIX_SQL_DATABASE_URL", "postgresql://production")
    monkeypatch.setenv("PHOENIX_ENABLE_MCP_SERVER", "true")
    seen = {}

    def look(_waited):
        for pid in children_of(os.getpid()):
            if environment_of(pid).get("PHOENIX_WORKING_DIR") == str(tmp_path):
                seen[pid] = environment_of(pid)

    with pytest.raises(LlmtraceError, match=r"^Phoenix did not answer within 1 s; "):
        start_phoenix(PhoenixSettings(tmp_path, 0, 0), deadline=1.0, on_wait=look)

    ((pid, environment),) = seen.items()
    assert is_gone(pid)
    assert "PHOENIX_SQL_DATABASE_URL" not in environment
    assert environment["PHOENIX_ENABLE_MCP_SERVER"] == "false"


@pytest.mark.phoenix
def test_a_phoenix_that_ends_at_once_shows_the_end_of_its_log(tmp_path):
    """A Phoenix that cannot start (here: its database is none) is an error with its exit status and its last lines."""
    (tmp_path / "phoenix.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(LlmtraceError, match=r"^Phoenix ended with status 1; the end of .*phoenix\.log:\n") as raised:
        start_phoenix(PhoenixSettings(tmp_path, 0, 0))
    assert "Phoenix failed to migrate the database" in str(raised.value)
    assert not isinstance(raised.value, ConfigurationError)


@pytest.mark.parametrize("setting", ["port", "grpc-port"])
def test_a_port_in_use_fails_before_anything_starts(tmp_path, setting):
    """A taken port is one line, and the working folder is not even made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = {setting.replace("-", "_"): server.getsockname()[1]}
        with pytest.raises(ConfigurationError, match=f"^{setting}: cannot use port"):
            start_phoenix(PhoenixSettings(tmp_path / "new", **{"port": 0, "grpc_port": 0, **taken}))
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    """A working folder that cannot be made is one line that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(
        ConfigurationError, match=r"^working-dir: cannot write to '.*/file/below': Not a directory; allowed: "
    ):
        start_phoenix(PhoenixSettings(tmp_path / "file" / "below", 0, 0))


def test_without_the_extra_the_error_says_what_to_install(tmp_path, monkeypatch):
    """Where arize-phoenix is not installed, the one line holds the command that installs it."""
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ConfigurationError, match=r"pip install 'llmtrace-otel\[phoenix\]'$"):
        start_phoenix(PhoenixSettings(tmp_path, 0, 0))


def test_a_new_folder_is_private(tmp_path):
    """A folder that we make is for its owner only: prompts and answers will lie in it."""
    with pytest.raises(LlmtraceError, match="did not answer"):
        start_phoenix(PhoenixSettings(tmp_path / "deep" / "new", 0, 0), deadline=0.0)
    assert stat.S_IMODE((tmp_path / "deep" / "new").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"XDG_STATE_HOME": "/state"}, Path("/state/llmtrace/phoenix")),
        ({"XDG_STATE_HOME": "relative"}, Path.home() / ".local/state/llmtrace/phoenix"),
        ({}, Path.home() / ".local/state/llmtrace/phoenix"),
    ],
)
def test_the_folder_is_the_users_state_folder_by_default(environment, expected):
    """Without a setting the data lie in the XDG state folder."""
    assert default_working_dir(environment) == expected


def test_a_user_without_a_home_is_told_what_to_name(monkeypatch):
    """Where neither XDG_STATE_HOME nor a home folder is known, one line asks for a folder."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", dict[int, object]().__getitem__)  # as for a container's nameless user
    with pytest.raises(ConfigurationError, match=r"^working-dir: this user has no home folder; allowed: "):
        default_working_dir({})
