"""The whole demo, as `make demo` runs it without a terminal: real Phoenix, router, model server and service."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from examples.support_bot.questions import QUESTIONS, Outcome

ROOT = Path(__file__).parents[2]
DEADLINE = 170
USUAL_PORTS = (6006, 4317, 4319)
LINK = r"http://127\.0\.0\.1:\d+/redirects/traces/([0-9a-f]{32})"
TABLE_ROW = r"^ ?\d+  \w+ .+ (200|502) +(OK|ERROR) +\d+ ms +\d+(?: +(critical|error))?$"


@pytest.fixture
def demo(tmp_path):
    """Starts the demo with no terminal and no model server set, and its logs in tmp_path."""
    started = []

    def start(*arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
        command = [sys.executable, "-m", "examples.support_bot", "--logs", str(tmp_path / "logs"), *arguments]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.communicate(timeout=DEADLINE)


@pytest.fixture
def _usual_ports_taken():
    with ExitStack() as stack:
        for port in USUAL_PORTS:
            taken = stack.enter_context(socket.socket())
            with suppress(OSError):  # then somebody else has taken it
                taken.bind(("127.0.0.1", port))
                taken.listen()
        yield


def _descendants(pid):
    """The command lines of all processes below `pid`, by process id."""
    parents, commands = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            commands[int(stat.parent.name)] = (stat.parent / "cmdline").read_text().replace("\0", " ")
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {child: commands.get(child, "") for child in found - {pid}}


def _read_until(process, text):
    for line in process.stdout:
        if text in line:
            return
    pytest.fail(f"the demo ended without saying {text!r}")


@pytest.mark.phoenix
@pytest.mark.usefixtures("_usual_ports_taken")
def test_the_demo_shows_what_it_promises(demo, tmp_path):
    """With the usual ports taken it exits 0, and prints a waterfall, 20 requests with links, and the page."""
    process = demo()
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    waterfall, requests, page, why = output.split("\n\n")[1:5]
    assert re.search(r"^  LLM +llm\.chat +·*█+·* +\d+\.\d ms +\d+ tokens$", waterfall, re.MULTILINE), waterfall
    rows = re.findall(TABLE_ROW, requests, re.MULTILINE)
    assert len(rows) == 20, requests
    assert [row for row in rows if row != ("200", "OK", "")] == [("200", "OK", "critical"), ("502", "ERROR", "error")]
    assert rows[11][2] == "critical"
    ids = re.findall(rf"^    ([0-9a-f]{{32}})  {LINK}$", requests, re.MULTILINE)
    assert len({trace_id for pair in ids for trace_id in pair}) == 20
    assert "retriever-empty (critical)" in page
    assert "(tier page): told pager, because it was new on this route" in why
    assert "pager by webhook, of it: delivered" in why
    assert re.search(LINK, page)[1] == ids[11][0]
    logs = "".join(log.read_text() for log in (tmp_path / "logs").glob("*.log"))
    assert not re.search("Traceback|Warning", output)
    assert not re.search("Traceback|Warning|WARN|ERROR", logs), logs


@pytest.mark.phoenix
@pytest.mark.full
def test_under_production_the_demo_keeps_what_matters(demo):
    """The failed, the slow and the tagged request are whole in Phoenix, most ordinary ones are not; it says so."""
    process = demo("--sampling", "production")
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    (section,) = (part for part in output.split("\n\n") if part.startswith("Of 20 requests, production kept"))
    lines = [line.strip() for line in section.splitlines()[1:]]
    for outcome, reason in (
        (Outcome.MODEL_FAILED, "error"),
        (Outcome.SLOW, "slow"),
        (Outcome.NOTHING_FOUND, "alert"),
    ):
        (question,) = (question for question in QUESTIONS if question.outcome is outcome)
        assert any(line.startswith(reason) and line.endswith(question.text) for line in lines), section
    assert int(re.fullmatch(r"dropped +(\d+) ordinary ones", lines[-1])[1]) >= 12


@pytest.mark.phoenix
@pytest.mark.full
def test_with_an_outage_the_demo_loses_nothing(demo, tmp_path):
    """Phoenix is stopped after half of the questions and started again at the end: all 20 traces are in it, whole."""
    process = demo("--outage")
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, output
    assert re.search(r"all are answered without Phoenix \([1-9]\d* files wait in the spool\)", output), output
    assert len(re.findall(TABLE_ROW, output, re.MULTILINE)) == 20, output
    service = (tmp_path / "logs" / "service.log").read_text()
    assert len([line for line in service.splitlines() if "does not take spans" in line]) == 1, service
    assert not re.search("Traceback", output + service)


@pytest.mark.phoenix
@pytest.mark.full
@pytest.mark.parametrize(("name", "command"), [("Phoenix", "phoenix/_child.py"), ("router", "router serve")])
def test_without_its_answers_the_demo_fails(demo, name, command):
    """Where Phoenix or the router dies on the way, nothing is printed as if it had been there: status 1, one line."""
    process = demo()
    _read_until(process, "asking 20 questions")
    (victim,) = (pid for pid, line in _descendants(process.pid).items() if command in line)
    os.kill(victim, signal.SIGKILL)
    output, _ = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert output.splitlines()[-1].startswith(f"demo: FAILED: {name} ended by itself"), output
    assert "requests" not in output
    assert "Traceback" not in output


@pytest.mark.phoenix
@pytest.mark.full
def test_an_interrupted_demo_leaves_nothing_behind(demo):
    """Ctrl-C in the middle stops every child, and says so."""
    process = demo()
    _read_until(process, "asking 20 questions")
    children = _descendants(process.pid)
    assert len(children) >= 5
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=DEADLINE)
    assert (process.returncode, output.splitlines()[-1]) == (130, "demo: interrupted")
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
