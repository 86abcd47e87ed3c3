"""``llmtrace phoenix`` as a user runs it: a process, its lines, its end."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest
from processes import children_of, is_gone
from waiting import wait_until


@contextmanager
def command(*arguments):
    """Run the command; whatever the test does, nothing is left behind."""
    # A test run in a shell's background ignores Ctrl-C, and a child would inherit that.
    with subprocess.Popen(
        [sys.executable, "-m", "llmtrace", "phoenix", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  (no thread here)
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def serving(process):
    """Its base URL, as soon as it says that it is there, and the lines up to then."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "gRPC" in line:
            break
    text = "".join(lines)
    return re.search(r"Phoenix is at (http://127\.0\.0\.1:\d+) ", text)[1], text


def is_listening(base_url):
    """Whether anybody takes a connection there."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", int(base_url.rpartition(":")[2]))) == 0


@pytest.mark.phoenix
def test_it_serves_until_sigterm(tmp_path):
    """It says where Phoenix is and that gRPC is open to all, serves, and ends with status 0 and Phoenix with it."""
    with command("--port", 0, "--grpc-port", 0, "--working-dir", tmp_path) as process:
        base_url, text = serving(process)
        assert str(tmp_path) in text
        assert re.search(r"gRPC port \d+ listens on ALL interfaces", text)
        assert httpx.get(f"{base_url}/healthz", trust_env=False).status_code == 200
        (phoenix,) = children_of(process.pid)

        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 0
        assert is_gone(phoenix)
        assert not is_listening(base_url)
        assert process.stdout.read() == "llmtrace: Phoenix is stopped\n"
        assert process.stderr.read() == ""


@pytest.mark.phoenix
def test_it_leaves_no_phoenix_behind_when_it_is_killed(tmp_path):
    """Where the command is killed with SIGKILL and can do nothing any more, Phoenix ends all the same."""
    with command("--port", 0, "--grpc-port", 0, "--working-dir", tmp_path) as process:
        base_url, _ = serving(process)
        (phoenix,) = children_of(process.pid)

        process.kill()
        process.wait(5)

        wait_until(lambda: is_gone(phoenix), "the end of Phoenix")
        assert not is_listening(base_url)


@pytest.mark.phoenix
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_it_can_be_ended_while_it_starts(tmp_path, number, status):
    """Ctrl-C, SIGTERM and SIGKILL before Phoenix answers leave no process behind either."""
    with command("--port", 0, "--grpc-port", 0, "--working-dir", tmp_path) as process:
        (phoenix,) = wait_until(lambda: children_of(process.pid), "the start of Phoenix")

        process.send_signal(number)

        assert process.wait(15) == status
        wait_until(lambda: is_gone(phoenix), "the end of Phoenix")
        assert process.stderr.read() == ""


@pytest.mark.phoenix
def test_it_fails_when_phoenix_ends(tmp_path):
    """Where Phoenix ends by itself the command ends too, with status 1 and the end of Phoenix's log."""
    with command("--port", 0, "--grpc-port", 0, "--working-dir", tmp_path) as process:
        serving(process)
        (phoenix,) = children_of(process.pid)

        os.kill(phoenix, signal.SIGKILL)

        assert process.wait(15) == 1
        assert process.stderr.read().startswith("llmtrace: Phoenix ended with status -9; the end of ")


def test_a_port_in_use_is_one_line(tmp_path):
    """A taken port ends with status 2 and one line."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with command("--port", port, "--grpc-port", 0, "--working-dir", tmp_path) as process:
            assert process.wait(15) == 2
            (line,) = process.stderr.read().splitlines()
            assert process.stdout.read() == ""
    assert line.startswith(f"llmtrace: port: cannot use port {port}: Address already in use; allowed: ")
