"""Services under real servers: a process of its own on a free port, up before the block begins, gone after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
from otlp_sink import free_port
from waiting import wait_until

_HERE = Path(__file__).parent


@contextmanager
def served(command: str, application: str, env: Mapping[str, str]) -> Iterator[str]:
    """The address of `application` ("module:name", under tests/) as `command` serves it.

    Args:
        command: the server's arguments of Python, with {port} in them.
        application: what is served.
        env: what is added to the environment.
    """
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, *command.format(port=port).split(), application],
        cwd=_HERE,
        env=os.environ | {"NO_PROXY": "*"} | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(trust_env=False) as client:
            wait_until(lambda: _is_up(client, url, process), f"{application} is up", 30)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _is_up(client: httpx.Client, url: str, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "the server has ended"
    try:
        client.get(url)
    except httpx.TransportError:
        return False
    return True
