"""The real router in a process of its own, as a user starts it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message


class RouterProcess:
    """Started by ``with``; stopped with SIGTERM at its end unless it is gone by then."""

    def __init__(
        self,
        config: Path,
        listen: str = "127.0.0.1:0",
        environ: Mapping[str, str] | None = None,
        *,
        moved: bool = False,
    ) -> None:
        self._environ = environ or {}
        self._clock = config.parent / "clock"
        self._output = config.parent / "router.out"
        self._errors = config.parent / "router.err"
        program = [str(Path(__file__).parent / "moved_clock.py"), str(self._clock)] if moved else ["-m", "llmtrace"]
        self._command = [sys.executable, *program, "router", "serve", "--config", str(config), "--listen", listen]
        if moved and not self._clock.exists():
            self._clock.write_text("0")
        self.client = httpx.Client(trust_env=False)

    def __enter__(self) -> Self:
        with self._output.open("wb") as output, self._errors.open("ab") as errors:
            environment = {**os.environ, "PYTHONWARNINGS": "error", **self._environ}
            self.process = subprocess.Popen(self._command, stdout=output, stderr=errors, env=environment)
        wait_until(
            lambda: "listening on" in self.output or self.process.poll() is not None, "the router is listening", 60
        )
        found = re.search(r"listening on (http://\S+)", self.output)
        assert found is not None, self.errors
        self.client.base_url = found[1]
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        if self.process.poll() is None:
            assert self.stop() == 0
        assert "Traceback" not in self.errors, self.errors

    @property
    def output(self) -> str:
        return self._output.read_text()

    @property
    def errors(self) -> str:
        return self._errors.read_text()

    def post(self, request: Message) -> httpx.Response:
        """Send an OTLP export."""
        headers = {"content-type": "application/x-protobuf"}
        return self.client.post("/v1/traces", content=request.SerializeToString(), headers=headers)

    def get(self, what: str) -> list[dict[str, Any]]:
        """Read one of the lists of the API."""
        answer: list[dict[str, Any]] = self.client.get(f"/api/v1/{what}").raise_for_status().json()[what]
        return answer

    def move(self, seconds: float) -> None:
        """Set the router's clock forward, or back, and let it look at it. What was accepted is decided before."""
        wait_until(
            lambda: "\nllmtrace_router_alerts_undecided 0\n" in self.client.get("/metrics").text, "all is decided"
        )
        moved = self._clock.with_suffix(".new")
        moved.write_text(str(float(self._clock.read_text()) + seconds))
        moved.replace(self._clock)
        self.client.post("/-/reload").raise_for_status()

    def explain(self, alert: str) -> str:
        """Why somebody was told of an alert, or nobody."""
        lines: list[str] = self.client.get(f"/api/v1/explain/{alert}").raise_for_status().json()["explanation"]
        return "\n".join(lines)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(15)
