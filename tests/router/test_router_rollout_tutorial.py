"""The tutorial "Observe, warn, page", every step run as it stands; only the port is a free one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from prometheus import free_port
from waiting import wait_until

from llmtrace.cli import main

PAGE = (Path(__file__).parents[2] / "docs/tutorials/observe-warn-page.md").read_text()
BLOCK = re.compile(r"(?:[Ss]ave this as `(?P<file>[\w.]+)`[^`]*)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)
CHANGING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d|:\d{4,5}\b")


class Reader:
    """Does what the tutorial says, in order."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.port, self._capsys = folder, str(free_port()), capsys
        self.served: subprocess.Popen[bytes] | None = None
        self.sent = 0

    def save(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text.replace("4319", self.port))

    def run(self, command: str) -> str:
        """What it prints; of the router, which goes on, nothing."""
        words = [sys.executable, *(["-m", "llmtrace"] if command.startswith("llmtrace") else []), *command.split()[1:]]
        if "serve" in words:
            with (self.folder / "router.out").open("wb") as output:
                self.served = subprocess.Popen(words, cwd=self.folder, stdout=output, stderr=output)
            return ""
        if command.startswith("llmtrace"):
            assert main(words[3:]) == 0
            return self._capsys.readouterr().out
        ended = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False, timeout=60)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        if command == "python slow.py":
            self.sent += 1
            wait_until(lambda: self.decided == self.sent, "the alert is decided, as it is by the time a reader looks")
        return ended.stdout

    @property
    def decided(self) -> int:
        url = f"http://127.0.0.1:{self.port}/api/v1/decisions"
        return len(httpx.get(url, trust_env=False).json()["decisions"])

    @property
    def printed(self) -> str:
        return (self.folder / "router.out").read_text()

    def shows(self, line: str, output: str) -> bool:
        """Whether the command or the router has printed this line, times and ports aside."""
        wanted = CHANGING.sub("", line)
        return any(CHANGING.sub("", each) == wanted for each in (output + self.printed).splitlines())

    def read(self, block: re.Match[str], output: str) -> str:
        """One block of the page; what the last command printed."""
        if block["file"]:
            self.save(block["file"], block["text"])
        elif block["kind"] == "sh":
            return self.run(block["text"].strip())
        else:
            for line in block["text"].strip("\n").splitlines():
                wait_until(lambda line=line: self.shows(line, output), f"shown: {line}", deadline=30)
        return output


def test_every_step_of_the_rollout_does_what_it_says(tmp_path, capsys, monkeypatch):
    """Nobody is told in shadow, the channel under notify, and at last somebody is paged."""
    monkeypatch.chdir(tmp_path)
    reader, output = Reader(tmp_path, capsys), ""
    told: dict[str, tuple[int, int]] = {}
    try:
        for block in BLOCK.finditer(PAGE):
            if block["kind"] == "sh" and "take.py" in block["text"]:
                told[block["text"].split()[-1]] = counts(reader.printed)
            output = reader.read(block, output)
    finally:
        if reader.served is not None:
            reader.served.send_signal(signal.SIGINT)
            assert reader.served.wait(15) == 0
    assert told == {"warn.yaml": (0, 0), "page.yaml": (1, 0)}
    assert counts(reader.printed) == (1, 1)
    assert not re.search("Traceback|ERROR|WARNING", reader.printed)


def counts(printed: str) -> tuple[int, int]:
    """Messages to the channel, and pages."""
    return printed.count("[channel]"), printed.count("[page]")
