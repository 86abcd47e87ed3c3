"""The command: check says what is right, odd or wrong; serve refuses what it cannot do safely."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from router_process import RouterProcess
from router_values import MINIMAL, make_request, make_span, make_tag
from waiting import wait_until

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
    assert "alerts.yaml: ok (1 route, 1 receiver; no route is about regulated alerts)" in output
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


def test_check_says_all_that_is_wrong(tmp_path, capsys):
    """Every mistake of the file has its line, not only the first."""
    assert main(["router", "check", "--config", write(tmp_path, "version: 3\nlisten: x\nrecievers: {}")]) == 2
    assert (
        main(["router", "check", "--config", write(tmp_path, "version: 3\nlisten: x\nreceivers: {a: {console: {}}}")])
        == 2
    )
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1:3] for line in lines] == [
        ["alerts.yaml:3:1", "recievers"],
        ["alerts.yaml:1:10", "version"],
        ["alerts.yaml:2:9", "listen"],
    ]


def test_check_speaks_to_programs_too(tmp_path, capsys):
    """--json has the mistakes and the oddities with line, column, key and text; the status is the same."""
    assert main(["router", "check", "--json", "--config", write(tmp_path)]) == 0
    good = json.loads(capsys.readouterr().out)
    assert (good["ok"], good["routes"], good["receivers"], good["mistakes"]) == (True, 1, 1, [])
    assert good["regulated_proven"] is False
    (warning,) = good["warnings"]
    assert (warning["line"], warning["column"], warning["key"]) == (4, 5, "routes")
    assert warning["text"].startswith("an alert that no route matches")
    assert (
        main(["router", "check", "--json", "--config", write(tmp_path, "version: 3\nlisten: x\nreceivers: {a: {}}")])
        == 2
    )
    bad = json.loads(capsys.readouterr().out)
    assert (bad["ok"], [(each["line"], each["key"]) for each in bad["mistakes"]]) == (
        False,
        [(1, "version"), (2, "listen")],
    )
    assert main(["router", "check", "--json", "--config", str(tmp_path / "none.yaml")]) == 2
    assert "cannot be read" in json.loads(capsys.readouterr().out)["mistakes"][0]["text"]


def test_strict_takes_no_oddity(tmp_path, capsys):
    """What is odd is status 1 with --strict, 0 without; a file without it is 0 either way."""
    assert main(["router", "check", "--strict", "--config", write(tmp_path)]) == 1
    whole = MINIMAL.replace("receivers: [hook]}]", "receivers: [hook]}, {receivers: [hook]}]")
    assert main(["router", "check", "--strict", "--config", write(tmp_path, whole)]) == 0
    capsys.readouterr()


@pytest.mark.parametrize("command", ["backtest"])
def test_commands_of_later_versions_are_refused(tmp_path, capsys, command):
    """What is not there is no command: status 2, with those that are."""
    with pytest.raises(SystemExit) as ended:
        main(["router", command, "--config", write(tmp_path)])
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert f"invalid choice: '{command}'" in errors
    assert "serve" in errors


def test_people_act_from_the_command_line(tmp_path, capsys):
    """ack, resolve and silence add, list, expire speak to the running router, with who did it and why."""
    with RouterProcess(Path(write(tmp_path))) as router:
        to = ["--config", str(tmp_path / "alerts.yaml"), "--url", str(router.client.base_url), "--by", "mina"]

        def run(*words: str) -> list[str]:
            assert main(["router", *words, *(to[:4] if "list" in words else to)]) == 0
            return capsys.readouterr().out.splitlines()

        router.post(make_request(make_span(make_tag(key="a"))))
        wait_until(lambda: router.get("incidents"), "the incident is open")
        assert run("ack", "1") == ["incident 1: acknowledged"]
        assert run("acknowledge", "1") == ["incident 1: was so already"]
        assert run("resolve", "1") == ["incident 1: resolved"]
        (identifier,) = run("silence", "add", 'service="bot"', "model!=x", "--for", "2h", "--comment", "a test")
        (line,) = run("silence", "list")
        assert line.startswith(f"{identifier}  until 2")
        assert line.endswith('service="bot", model!="x"  by mina: a test')
        assert run("silence", "expire", identifier) == [f"silence {identifier}: over"]
        assert run("silence", "list") == []
        assert "ended" in run("silence", "list", "--all")[0]
        assert main(["router", "silence", "expire", "none", *to]) == 1
        assert "no silence of this id" in capsys.readouterr().err
    assert main(["router", "ack", "1", *to]) == 1
    assert "no answer of a router" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["service", "--for", "2h"], "MATCHER: 'service' is no matcher: not of the form"),
        (['a="b"', "--for", "2 hours"], "--for: '2 hours' is not a duration of at most 10y such as 0s"),
    ],
)
def test_a_wrong_silence_is_refused_before_the_router_is_asked(tmp_path, capsys, words, problem):
    """Status 2 and one line."""
    assert main(["router", "silence", "add", *words, "--config", write(tmp_path)]) == 2
    assert problem in capsys.readouterr().err


def test_check_says_that_the_proof_about_regulated_alerts_holds(tmp_path, capsys):
    """Where every route that may take one opens a ticket; where no route is about them, that is said too."""
    receivers = "{a: {console: {}}, t: {servicenow: {instance: example, token: t}}}"
    routes = """[{matchers: ['regulated="true"'], tier: channel, receivers: [t]}, {tier: channel, receivers: [a]}]"""
    file = write(tmp_path, f"version: 1\nreceivers: {receivers}\nroutes: {routes}\n")
    assert main(["router", "check", "--config", file]) == 0
    assert "ok (2 routes, 2 receivers; each regulated alert opens a ticket)" in capsys.readouterr().out
    assert main(["router", "check", "--json", "--config", file]) == 0
    assert json.loads(capsys.readouterr().out)["regulated_proven"] is True
