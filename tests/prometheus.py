"""Debian's real Prometheus and Alertmanager on free ports, each in a folder of its own; skipped where they are not."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Self

import httpx
import pytest
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPACKED = Path(__file__).parents[1] / ".cache/debian/usr/bin"


def program(name: str) -> str:
    """Where Debian's program is."""
    found = shutil.which(name, path=f"/usr/bin:{UNPACKED}")
    if found is None:
        pytest.skip(f"needs {name} of the Debian packages prometheus and prometheus-alertmanager: .ci/debian-packages")
    return found


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def running(folder: Path, *command: str, ready: str) -> Iterator[None]:
    """The program until the end of the block; ``ready`` is an address that answers 200 then."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env={**os.environ, "GOMAXPROCS": "1"})
    try:
        wait_until(lambda: process.poll() is not None or _answers(ready), f"{command[0]} is ready", deadline=30)
        assert process.poll() is None, (folder / "log").read_text()
        yield
    finally:
        process.terminate()
        process.wait(15)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=1).is_success
    except httpx.TransportError:
        return False


class Gauge:
    """A page of one metric, ``answer_seconds``, whose value the test sets."""

    def __init__(self, value: float) -> None:
        self.value = value
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = f"answer_seconds {outer.value}\n".encode()
                self.send_response(200)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self.address = f"127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def prometheus(folder: Path, rules: str, alertmanager: str, target: str) -> Iterator[str]:
    """A Prometheus that reads ``target``, evaluates these rules often and pushes to ``alertmanager`` (host:port)."""
    (folder / "rules.yml").write_text(rules)
    (folder / "prometheus.yml").write_text(f"""
global: {{evaluation_interval: 3s, scrape_interval: 1s}}
scrape_configs: [{{job_name: bot, static_configs: [{{targets: ["{target}"]}}]}}]
rule_files: [rules.yml]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager}"]}}]}}]}}
""")
    port = free_port()
    arguments = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={folder}/data", "--log.level=warn"]
    arguments += [f"--config.file={folder}/prometheus.yml", "--web.enable-lifecycle", "--rules.alert.resend-delay=1s"]
    url = f"http://127.0.0.1:{port}"
    with running(folder, program("prometheus"), *arguments, ready=f"{url}/-/ready"):
        yield url


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """An Alertmanager that tells everything to this webhook at once."""
    (folder / "alertmanager.yml").write_text(f"""
route: {{receiver: router, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}}
receivers: [{{name: router, webhook_configs: [{{url: "{webhook}"}}]}}]
""")
    port = free_port()
    arguments = [f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address=", "--log.level=warn"]
    arguments += [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data"]
    url = f"http://127.0.0.1:{port}"
    with running(folder, program("prometheus-alertmanager"), *arguments, ready=f"{url}/-/ready"):
        yield url
