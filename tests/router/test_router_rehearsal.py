"""Rules are tested by files beside them: the real engine on a virtual clock, and a failure that can be read."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from llmtrace.cli import main, parser

EXAMPLE = Path(__file__).parents[2] / "examples/rules"
RULES = """version: 1
receivers: {pager: {console: {}}, second: {console: {}}, chat: {console: {}}}
tiers: {page: {receivers: [pager], escalate: [{after: 15m, receivers: [second]}]}}
routes:
  - {matchers: ['severity="critical"'], tier: page}
  - {tier: channel, receivers: [chat]}
"""
GOOD = {
    "version": 1,
    "tests": [
        {
            "name": "critical pages",
            "alerts": [{"labels": {"alertname": "down", "severity": "critical"}}],
            "expect": [
                {"at": "0s", "receivers": ["pager"], "tier": "page", "reason": "new", "alerts": ["down"]},
                {"at": "15m", "receivers": ["second"], "reason": "escalated", "step": 1},
                {"at": "1h", "receivers": ["pager", "second"], "phase": "resolved", "reason": "resolve_after"},
            ],
            "decisions": [{"at": "0s", "alert": "down", "reason": "new", "route": '/{severity="critical"}'}],
        }
    ],
}


def write(folder: Path, tests: object = GOOD, rules: str = RULES) -> str:
    """Rules and tests in a folder; returns the path of the tests."""
    (folder / "alerts.yaml").write_text(rules)
    (folder / "alerts.test.yaml").write_text(json.dumps(tests) if not isinstance(tests, str) else tests)
    return str(folder / "alerts.test.yaml")


def changed(place: list[object], value: object) -> dict[str, object]:
    """The good tests with another value at a place of the only test."""
    copy = json.loads(json.dumps(GOOD))
    target = copy["tests"][0]
    for step in place[:-1]:
        target = target[step]
    target[place[-1]] = value
    return copy


@pytest.mark.parametrize(("name", "count"), [("alerts", 9), ("atlassian", 4)])
def test_the_examples_rules_do_what_their_tests_say(capsys, name, count):
    """Latency, escalation, drift, regulated, staging, inhibition, night, silence; another company: as promised."""
    assert main(["router", "test", str(EXAMPLE / f"{name}.test.yaml")]) == 0
    output = capsys.readouterr().out
    assert output.count(f"ok     {name}.test.yaml:") == count
    assert output.endswith(f"{count} tests passed\n")


def test_a_day_passes_in_no_time_and_leaves_nothing(tmp_path, capsys, monkeypatch):
    """Escalation, repetition and the end come on the virtual clock; the rules' own store is not touched."""
    monkeypatch.chdir(tmp_path)
    assert main(["router", "test", write(tmp_path)]) == 0
    assert {file.name for file in tmp_path.iterdir()} == {"alerts.yaml", "alerts.test.yaml"}
    assert capsys.readouterr().out == "ok     alerts.test.yaml:1:26: critical pages\n1 test passed\n"


WRONG = {
    "another time": ["expect", 1, "at", "14m"],
    "another receiver": ["expect", 0, "receivers", ["chat"]],
    "one receiver too many": ["expect", 0, "receivers", ["pager", "chat"]],
    "one receiver too few": ["expect", 2, "receivers", ["pager"]],
    "another tier": ["expect", 0, "tier", "channel"],
    "another reason": ["expect", 0, "reason", "repeated"],
    "another phase": ["expect", 2, "phase", "firing"],
    "another step": ["expect", 1, "step", 2],
    "another alert": ["expect", 0, "alerts", ["up"]],
    "nobody": ["expect", []],
    "only the first": ["expect", GOOD["tests"][0]["expect"][:1] + GOOD["tests"][0]["expect"][2:]],
    "another decision": ["decisions", 0, "reason", "silenced"],
    "another route": ["decisions", 0, "route", "/{}"],
    "a later decision": ["decisions", 0, "at", "1s"],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_every_part_of_an_expectation_can_fail(tmp_path, capsys, wrong):
    """A wrong time, receiver, tier, reason, phase, step, alert, route, a missing and a needless message: status 1."""
    *place, value = WRONG[wrong]
    assert main(["router", "test", write(tmp_path, changed(place, value))]) == 1
    output = capsys.readouterr().out
    assert "FAILED alerts.test.yaml:1:26: critical pages" in output
    assert output.endswith("0 tests passed, 1 failed\n")


def test_a_failure_shows_what_was_expected_what_came_and_why(tmp_path, capsys):
    """A diff in the order of time, then the decisions behind it."""
    assert main(["router", "test", write(tmp_path, changed(["expect", 1, "at"], "10m"))]) == 1
    assert [line.rstrip() for line in capsys.readouterr().out.splitlines()] == [
        "FAILED alerts.test.yaml:1:26: critical pages",
        "    messages (- expected, + sent):",
        "            0s  pager                    page new (down)",
        "      -    10m  second                   escalated step 1",
        "      +    15m  second                   page escalated firing step 1 (down)",
        "            1h  pager, second            resolve_after resolved",
        "    decisions (- expected):",
        '            0s  down                     new page /{severity="critical"}',
        '            1h  down                     resolve_after page /{severity="critical"}',
        "0 tests passed, 1 failed",
    ]


BUNDLING = """version: 1
receivers: {chat: {console: {}}, product: {email: {to: [product@example.org]}}}
tiers: {digest: {receivers: [product], schedule: "0 8 * * *", timezone: Europe/Berlin}}
routes:
  - {matchers: ['severity="error"'], tier: channel, receivers: [chat], group_wait: 0s}
  - {tier: digest}
"""
BUNDLED = {
    "version": 1,
    "tests": [
        {
            "name": "what does not matter waits for the morning",
            "alerts": [
                {"labels": {"alertname": "slow", "severity": "info"}, "times": 3, "every": "5h"},
                {"labels": {"alertname": "late", "severity": "info"}, "at": "20h"},
                {"labels": {"alertname": "down", "severity": "error"}},
            ],
            "silences": [{"matchers": ['alertname="down"'], "lasts": "2h", "by": "Ada"}],
            "expect": [],
            "digests": [
                {"at": "19h", "receiver": "product", "alerts": {"slow": 3}},
                {"at": "43h", "receiver": "product", "alerts": {"late": 1}},
            ],
        }
    ],
}


def test_a_test_says_when_a_digest_is_sent_and_what_it_holds(tmp_path, capsys):
    """Digests come by their schedule, the next one after the end too, and ``--digests`` prints them."""
    tests = write(tmp_path, BUNDLED, BUNDLING)
    assert main(["router", "test", tests]) == 0
    assert capsys.readouterr().out.count("\n") == 2
    assert main(["router", "test", "--digests", tests]) == 0
    output = capsys.readouterr().out
    assert "    digest for product, 19h after the start:" in output
    assert "[digest] product: 3 alerts, Mon 2026-01-05 13:00 to Tue 2026-01-06 08:00 (Europe/Berlin)" in output
    assert "    digest for product, 1d19h after the start:" in output
    assert 'a silence holds it back: the silence silence-0:00:00-alertname="down" by Ada' in output


@pytest.mark.parametrize(
    ("wrong", "shown"),
    [
        ({"at": "18h"}, "-    18h  product                  (3 slow)"),
        ({"receiver": "chat"}, "-    19h  chat                     (3 slow)"),
        ({"alerts": {"slow": 2}}, "-    19h  product                  (2 slow)"),
        ({"alerts": {}}, "-    19h  product                  (nothing)"),
    ],
)
def test_a_digest_that_would_be_another_is_a_failure(tmp_path, capsys, wrong, shown):
    """Another time, receiver or number of alerts: what was expected stands beside what would be sent."""
    tests = json.loads(json.dumps(BUNDLED))
    tests["tests"][0]["digests"][0] |= wrong
    assert main(["router", "test", write(tmp_path, tests, BUNDLING)]) == 1
    output = capsys.readouterr().out
    assert shown in output
    assert "        19h  product                  (3 slow)" in output


def test_a_late_message_is_not_overlooked(tmp_path):
    """Without an end of its own a test waits for group_wait and group_interval after the last alert."""
    late = changed(["alerts", 0, "labels", "severity"], "error")
    late["tests"][0] |= {"expect": [], "decisions": []}
    assert main(["router", "test", write(tmp_path, late)]) == 1
    late["tests"][0]["until"] = "29s"
    assert main(["router", "test", write(tmp_path, late)]) == 0


MISTAKES = {
    "an unknown key": (["alert"], [], "tests[0].alert: no such key; allowed: acts, alerts, decisions, digests, expect"),
    "no name of an alert": (
        ["alerts", 0, "labels"], {"severity": "info"}, "labels.alertname: without alertname, by which an alert is known"
    ),
    "no severity": (
        ["alerts", 0, "labels", "severity"], "fatal", "tests[0].alerts[0].labels.severity: no severity; allowed: cri"
    ),
    "a label that is no text": (["alerts", 0, "labels", "team"], ["a"], "labels.team: not text"),
    "a wrong time": (["expect", 0, "at"], "soon", "tests[0].expect[0].at: 'soon' is not a duration"),
    "a wrong reason": (["expect", 0, "reason"], "because", "tests[0].expect[0].reason: 'because' is not allowed"),
    "a wrong act": (["acts"], [{"act": "laugh"}], "tests[0].acts[0].act: 'laugh' is not allowed; allowed: 'ack"),
    "an endless repetition": (["alerts", 0, "times"], 10**9, "tests[0].alerts[0].times: '1000000000' is not allowed"),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_test_is_one_line_with_its_place(tmp_path, capsys, mistake):
    """Status 2, file, line, column, key and what is allowed; a broken test is not a failed one."""
    place, value, expected = MISTAKES[mistake]
    assert main(["router", "test", write(tmp_path, changed(place, value))]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("llmtrace: alerts.test.yaml:1:")
    assert expected in errors
    assert errors.count("\n") == 1


def test_a_mistake_in_the_rules_is_theirs(tmp_path, capsys):
    """The rules' own file is named, as check would."""
    assert main(["router", "test", write(tmp_path, rules=RULES.replace("[chat]", "[chatt]"))]) == 2
    assert "alerts.yaml:6:33: routes[1].receivers[0]: 'chatt' is no receiver" in capsys.readouterr().err


def test_other_rules_can_be_given(tmp_path, capsys):
    """--config wins over the file that the tests name."""
    (tmp_path / "other.yaml").write_text(RULES.replace("15m", "5m"))
    assert main(["router", "test", write(tmp_path), "--config", str(tmp_path / "other.yaml")]) == 1
    assert "+     5m  second" in capsys.readouterr().out


def test_the_published_schema_fits_the_examples_and_no_typo(capsys):
    """Editors accept what the command accepts, and mark what it refuses."""
    assert main(["router", "schema", "test"]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    example = yaml.safe_load((EXAMPLE / "alerts.test.yaml").read_text())
    jsonschema.validate(json.loads(json.dumps(example, default=str)), schema)
    jsonschema.validate(GOOD, schema)
    for place, value in ((["expects"], []), (["expect", 0, "tier"], "paeg"), (["alerts", 0, "label"], {})):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(changed(place, value), schema)


def test_the_workflow_does_what_it_shows(tmp_path, capsys, monkeypatch):
    """The example for GitHub Actions has a workflow's shape, and its commands pass on the example's rules."""
    workflow = yaml.safe_load((EXAMPLE / "github-workflow.yaml").read_text())
    assert workflow[True]["pull_request"]["paths"] == ["alerts*.yaml"]  # `on` is what YAML 1.1 calls true
    (job,) = workflow["jobs"].values()
    assert job["runs-on"] == "ubuntu-latest"
    assert job["permissions"] == {"contents": "read"}
    assert all(("uses" in step) != ("run" in step) for step in job["steps"])
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for name, value in job["env"].items():
        monkeypatch.setenv(name, value)
    commands = [shlex.split(step["run"]) for step in job["steps"] if "run" in step]
    assert commands[0] == ["pip", "install", "llmtrace-otel[router]"]
    assert [command[:3] for command in commands[1:]] == [
        ["llmtrace", "router", "check"],
        ["llmtrace", "router", "test"],
    ]
    assert main(commands[1][1:]) == 0
    assert parser().parse_args(commands[2][1:]).files == [Path("alerts.test.yaml")]  # which another test here runs
    assert "(warning)" not in capsys.readouterr().out
