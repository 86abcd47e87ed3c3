"""The two peers as processes of their own, and a webhook receiver that notes when each alert came."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN: Final = "0123456789abcdef0123"  # noqa: S105 - opens nothing but this benchmark
UNPACKED: Final = Path(__file__).parents[2] / ".cache/debian/usr/bin"
_RULES: Final = """\
version: 1
intake: {{auth: {{bearer: ["{token}"]}}}}
web: {{auth: {{bearer: ["{token}"]}}}}
receivers: {{hook: {{webhook: {{url: "{url}", allow_private: true}}}}}}
routes:
  - {{tier: page, receivers: [hook], group_by: [{group_by}], group_wait: {wait}, group_interval: {interval}}}
"""
_ALERTMANAGER: Final = """\
route: {receiver: none, group_by: [alertname], group_wait: 30s}
receivers: [{name: none}]
"""


class Sink:
    """Answers 204 to every POST; ``came`` says when each alert came first, ``bodies`` counts the requests."""

    def __enter__(self) -> Self:
        self.came: dict[str, float] = {}
        self.bodies: list[tuple[float, str]] = []
        self._loop = asyncio.new_event_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        self._loop.run_until_complete(asyncio.start_server(self._serve, sock=listening))
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                body = await reader.readexactly(int(length[1]) if length else 0)
                now = time.perf_counter()
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
                self._note(json.loads(body), now)

    def _note(self, body: dict[str, Any], now: float) -> None:
        self.bodies.append((now, body["groupKey"]))
        for alert in body["alerts"]:
            self.came.setdefault(alert["labels"].get("instance", ""), now)


class Router:
    """Our router on a free port, with tokens, over a new database."""

    def __init__(self, sink: Sink, group_by: str = "alertname", wait: str = "30s", interval: str = "1m") -> None:
        self._rules = _RULES.format(token=TOKEN, url=sink.url, group_by=group_by, wait=wait, interval=interval)

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="llmtrace-bench-"))
        (self.folder / "alerts.yaml").write_text(self._rules)
        command = [sys.executable, "-m", "llmtrace", "router", "serve", "--listen", "127.0.0.1:0"]
        command += ["--config", str(self.folder / "alerts.yaml")]
        output = self.folder / "output"
        with output.open("wb") as written:
            self.process = subprocess.Popen(command, stdout=written, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while (found := re.search(r"http://127\.0\.0\.1:(\d+)", output.read_text())) is None:
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("the router did not start")
            time.sleep(0.05)
        self.port = int(found[1])
        return self

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        shutil.rmtree(self.folder)

    def figure(self, name: str) -> int:
        """One of the router's own."""
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/metrics", headers={"authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 - our own
            text = answer.read().decode()
        found = re.findall(rf"^llmtrace_router_{name}(?:{{[^}}]*}})? (\d+)$", text, re.MULTILINE)
        return sum(map(int, found))

    def memory(self) -> int:
        """Megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024


@contextlib.contextmanager
def alertmanager() -> Iterator[int]:
    """Debian's Alertmanager with nobody to tell; its port.

    Raises:
        FileNotFoundError: it is not installed.
    """
    program = shutil.which("prometheus-alertmanager", path=f"/usr/bin:{UNPACKED}")
    if program is None:
        raise FileNotFoundError("prometheus-alertmanager: .ci/debian-packages brings it")
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        free.close()
        rules = Path(folder) / "alertmanager.yml"
        rules.write_text(_ALERTMANAGER)
        command = [program, f"--config.file={rules}", f"--storage.path={folder}/data", "--cluster.listen-address="]
        command.append(f"--web.listen-address=127.0.0.1:{port}")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()
            process.wait(30)


def _wait_for(port: int) -> None:
    end = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return
