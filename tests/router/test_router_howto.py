"""The how-to pages of the router: every file that they show works, every body is taken, every command exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml
from prometheus import program
from pydantic import SecretStr
from router_process import RouterProcess
from router_store import no_reload, world_of
from router_values import NOON, make_config
from starlette.testclient import TestClient
from test_router_notifiers import delivery
from waiting import wait_until

from llmtrace.cli import main, parser
from llmtrace.router.app import build_web
from llmtrace.router.notifiers.webhook import sign
from llmtrace.router.store.commit import GroupCommit
from llmtrace.router.web.intake import Door

FOLDER = Path(__file__).parents[2] / "docs/how-to"
PAGES = sorted(
    path.stem for path in FOLDER.glob("*.md") if "alerts.yaml" in path.read_text() or "alerts-from" in path.stem
)
"""Those of the router: whatever names its file."""
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
ENVIRON = defaultdict(
    lambda: "long-enough-for-a-secret", PAGERDUTY_KEY="k" * 32, SLACK_URL="https://hooks.slack.example/s",
    TEAMS_URL="https://flows.example.org/s",
    WEBHOOK_SECRET="whsec_" + "A" * 32, DATABASE_URL="postgresql+psycopg://u:p@db.example.org/alerts",
)  # fmt: skip


def blocks(page: str, kind: str, name: str = "") -> list[str]:
    """The blocks of this kind; of YAML those whose first line names this file."""
    found = [(block["kind"], block["text"]) for block in BLOCK.finditer((FOLDER / f"{page}.md").read_text())]
    return [text for each, text in found if each == kind and text.startswith(f"# {name}" if name else "")]


def environ(text: str) -> dict[str, str]:
    """A value for each variable that the text names."""
    return {name: ENVIRON[name] for name in re.findall(r"\$\{(\w+)\}", text)}


def write_mappings(page: str, folder: Path) -> None:
    """The mapping files of a page, where its rules look for them."""
    for text in (*blocks(page, "yaml", "mapping"), *blocks(page, "yaml", "lookup")):
        (folder / text.split()[2]).write_text(text)


@pytest.mark.parametrize("page", PAGES)
def test_its_rules_work_and_have_nothing_odd(page, tmp_path):
    """What a reader copies is accepted as it stands, without a warning."""
    write_mappings(page, tmp_path)
    for text in blocks(page, "yaml", "alerts.yaml"):
        assert make_config(tmp_path, text, environ(text)).warnings == ()


@pytest.mark.parametrize("page", ["escalate", "rules-in-ci"])
def test_its_tests_of_rules_pass(page, tmp_path):
    """The tests that a page shows hold for the rules that it shows."""
    (rules,), (tests,) = blocks(page, "yaml", "alerts.yaml"), blocks(page, "yaml", "alerts.test.yaml")
    (tmp_path / "alerts.yaml").write_text(rules)
    (tmp_path / "alerts.test.yaml").write_text(tests)
    assert main(["router", "test", str(tmp_path / "alerts.test.yaml")]) == 0


@pytest.mark.parametrize("page", [path.stem for path in FOLDER.glob("*alerts*.md") if "```json" in path.read_text()])
def test_its_bodies_are_taken(page, tmp_path):
    """A body that a page shows is answered with 202 by the path that it names."""
    path = re.search(r"/ingest/\w+", (FOLDER / f"{page}.md").read_text())[0]
    rules = "version: 1\nreceivers: {a: {console: {}}}\nroutes: [{tier: channel, receivers: [a]}]"
    with world_of(make_config(tmp_path, rules)) as world:
        with GroupCommit(lambda alerts: world.accept(*alerts), lambda: None) as inbox:
            door, counter = Door(inbox, world.clock), world.counter()
            app = build_web(world.config, door, world.records, counter, lambda: None, no_reload)
            (body,) = blocks(page, "json")
            answer = TestClient(app, base_url="http://127.0.0.1:4319").post(path, content=body)
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1})


def test_prometheus_and_alertmanager_take_their_files(tmp_path):
    """Promtool and amtool accept what the pages show."""
    (configuration,) = blocks("alerts-from-prometheus", "yaml", "prometheus.yml")
    (rules,) = blocks("alerts-from-prometheus", "yaml", "alerting-rules.yml")
    (alertmanager,) = blocks("alerts-from-alertmanager", "yaml", "alertmanager.yml")
    for name, text in (("prometheus.yml", configuration), ("alerting-rules.yml", rules), ("am.yml", alertmanager)):
        (tmp_path / name).write_text(text)
    for command in (["promtool", "check", "config", "prometheus.yml"], ["amtool", "check-config", "am.yml"]):
        ended = subprocess.run(
            [program(command[0]), *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_collectors_pipeline_is_complete():
    """Each part that a pipeline names is there, and it ends at the router's address."""
    (text,) = blocks("alerts-from-otlp", "yaml", "collector.yaml")
    parts = yaml.safe_load(text)
    (pipeline,) = parts["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert set(pipeline[kind]) == set(parts[kind])
    assert parts["exporters"]["otlphttp/router"]["endpoint"] == "http://127.0.0.1:4319"
    assert "llmtrace.alert.severity" in parts["processors"]["filter/alerts"]["traces"]["span"][0]


def test_the_signature_is_checked_as_the_page_shows():
    """The page's function accepts what the router signs, and nothing else."""
    (code,) = blocks("post-to-a-webhook", "python")
    scope: dict[str, object] = {}
    exec(code, scope)  # noqa: S102 - the page's own example
    is_genuine, secret = scope["is_genuine"], "whsec_" + "A" * 32
    headers = sign(delivery().notification.id, NOON, b"{}", SecretStr(secret))
    assert is_genuine(secret, headers, b"{}")
    assert not is_genuine(secret, headers, b"{ }")
    assert not is_genuine("whsec_" + "B" * 32, headers, b"{}")


@pytest.mark.parametrize("page", [path.stem for path in FOLDER.glob("*.md") if "curl " in path.read_text()])
def test_its_curl_sends_what_its_rules_ask_for(page):
    """To the path that the page names, with a token that stands in its rules."""
    text = (FOLDER / f"{page}.md").read_text()
    for url, rest in re.findall(r"^curl -sS http://127\.0\.0\.1:4319(\S+)(.*)$", text, re.MULTILINE):
        assert url in text.replace(f"curl -sS http://127.0.0.1:4319{url}", "")
        token = re.search(r"Bearer \$(\w+)", rest)
        asked = [rules for rules in blocks(page, "yaml", "alerts.yaml") if f"{url.rpartition('/')[2]}: {{" in rules]
        assert (token is not None) is bool(asked)
        assert token is None or f"${{{token[1]}}}" in asked[0]


@pytest.mark.parametrize("page", PAGES)
def test_its_commands_exist(page):
    """Each command line of a page is one that the command takes."""
    for block in blocks(page, "sh"):
        for line in block.strip().splitlines():
            words = shlex.split(line)
            if words[0] == "llmtrace":
                parser().parse_args(words[1:])
            else:
                assert words[:2] in (["pip", "install"], ["python", "backup.py"], ["curl", "-sS"])


@pytest.mark.full
def test_a_copy_made_while_it_runs_has_all_that_was_accepted_before(tmp_path):
    """The page's program, under load: the copy's trail verifies, and each alert answered for before is in it."""
    (rules,), (program_text,) = blocks("keep-and-back-up", "yaml", "alerts.yaml"), blocks("keep-and-back-up", "python")
    (tmp_path / "copy").mkdir()
    for place in (tmp_path / "alerts.yaml", tmp_path / "copy/alerts.yaml"):
        place.write_text(rules)
    (tmp_path / "backup.py").write_text(program_text)
    with RouterProcess(tmp_path / "alerts.yaml") as router:
        send = lambda number: router.client.post("/ingest/generic", json={"name": f"a{number}"}).raise_for_status()  # noqa: E731 - a short name
        for number in range(30):
            send(number)
        command = [sys.executable, "backup.py", "router.db", "copy/router.db"]
        copying = subprocess.Popen(command, cwd=tmp_path)
        number = 30
        while copying.poll() is None:
            send(number)
            number += 1
    assert copying.returncode == 0
    assert main(["router", "audit", "verify", "--config", str(tmp_path / "copy/alerts.yaml")]) == 0
    with RouterProcess(tmp_path / "copy/alerts.yaml") as restored:
        wanted = {f"a{each}" for each in range(30)}

        def names() -> set[str]:
            return {
                row["labels"]["alertname"]
                for row in restored.client.get("/api/v1/decisions?limit=1000").json()["decisions"]
            }

        wait_until(lambda: wanted <= names(), "all are there and decided")
