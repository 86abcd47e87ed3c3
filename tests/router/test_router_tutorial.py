"""The tutorial "From span to page", every step run as it stands; only the port is a free one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from otlp_sink import OtlpSink
from prometheus import free_port
from waiting import wait_until

PAGE = (Path(__file__).parents[2] / "docs/tutorials/from-span-to-page.md").read_text()
BLOCK = re.compile(r"(?:[Ss]ave this as `(?P<file>[\w.]+)`[^`]*)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)

pytest_plugins = ["core_fixtures"]


class Reader:
    """Does what the tutorial says, in order."""

    def __init__(self, folder: Path, sink: OtlpSink) -> None:
        self.folder, self.port = folder, str(free_port())
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PHOENIX_", "LLMTRACE_"))
        }
        self.environ = kept | {
            "PHOENIX_COLLECTOR_ENDPOINT": sink.url, "XDG_STATE_HOME": str(folder / "state"), "PYTHONWARNINGS": "error",
        }  # fmt: skip
        self.served: subprocess.Popen[bytes] | None = None
        self.steps: list[str] = []

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text.replace("4319", self.port))

    def run(self, command: str) -> str:
        """Its output; of the router, which goes on, what it has printed so far."""
        self.steps.append(command)
        words = [sys.executable, *(["-m", "llmtrace"] if command.startswith("llmtrace") else []), *command.split()[1:]]
        if "serve" in words:
            with (self.folder / "router.out").open("wb") as output:
                self.served = subprocess.Popen(words, cwd=self.folder, env=self.environ, stdout=output, stderr=output)
            wait_until(lambda: "listening" in self.printed, "the router listens")
            return self.printed
        ended = subprocess.run(
            words, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False, timeout=60
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        if command == "python bot.py":
            wait_until(lambda: "retriever-empty" in self.printed, "the page is printed")
            wait_until(lambda: self.printed.count("CRITICAL") == 2, "the second is told", deadline=30)
            return self.printed
        return ended.stdout

    @property
    def printed(self) -> str:
        return (self.folder / "router.out").read_text()


def same(shown: str) -> str:
    """Without what differs at every run."""
    return re.sub(r"[0-9a-f]{64}", "HASH", re.sub(r":\d{4,5}\b", ":PORT", re.sub(r"\d+ entries", "N entries", shown)))


def test_every_step_of_the_tutorial_does_what_it_says(tmp_path, sink):
    """Rules, their tests, the router, the program, two pages, the acknowledgement, the explanation, the trail."""
    reader = Reader(tmp_path, sink)
    output = ""
    try:
        for block in BLOCK.finditer(PAGE):
            if block["file"]:
                reader.save(block["file"], block["text"])
            elif block["kind"] == "sh":
                output = reader.run(block["text"].strip())
            else:
                for line in block["text"].strip().splitlines():
                    assert same(line) in [same(each) for each in output.splitlines()], output
    finally:
        if reader.served is not None:
            reader.served.send_signal(signal.SIGINT)
            assert reader.served.wait(15) == 0
    assert len(reader.steps) == 7
    told = reader.run("llmtrace router explain retriever-empty --config alerts.yaml")
    assert "told on-call, because it was new on this route" in told
    assert (
        "second by console, of it (escalation step 1: nobody had acknowledged the incident in time): delivered" in told
    )
    assert "acknowledged by mina" in told
    page = reader.printed
    for text in ("the retriever found nothing", "runbooks.example.org/retriever-empty", "/redirects/traces/"):
        assert text in page
    assert not re.search("Traceback|ERROR|WARNING", page)


@pytest.mark.full
def test_a_change_of_the_rules_is_caught_as_the_tutorial_says(tmp_path, sink):
    """With 20s in the rules their test fails, and shows both messages."""
    reader = Reader(tmp_path, sink)
    for block in BLOCK.finditer(PAGE):
        if block["file"]:
            reader.save(block["file"], block["text"].replace("after: 10s", "after: 20s"))
    command = [sys.executable, "-m", "llmtrace", "router", "test", "alerts.test.yaml"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    assert "-    10s  second" in ended.stdout
    assert "+    20s  second" in ended.stdout
