"""Explanations and the audit trail: every decision can be told in words, and whoever changes one is found out."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import textwrap
from datetime import timedelta

import pytest
from router_process import RouterProcess
from router_store import world_of
from router_values import MINIMAL, NOON, make_alert, make_config, make_request, make_span, make_tag
from waiting import wait_until

from llmtrace.cli import main
from llmtrace.router.config.revision import revision_of
from llmtrace.router.matchers import Silence, parse
from llmtrace.router.model import Outcome, Reason, Receipt
from llmtrace.router.ports import StoreError
from llmtrace.router.store import explain

FILE = "alerts.yaml"


@pytest.fixture
def folder(tmp_path):
    """A store in which one alert was told, once refused, and repeated; one had no route."""
    with world_of(make_config(tmp_path, MINIMAL)) as world:
        (notifier,) = world.notifiers.values()
        notifier.receipts = [Receipt(Outcome.RETRY, "HTTP 500")]
        world.accept(make_alert(), make_alert(), make_alert("info", alertname="odd"))
        world.turn()
        world.turn(seconds=2)
    return tmp_path


def run(capsys, folder, *arguments: str) -> tuple[int, str]:
    """Status and output of ``llmtrace router``."""
    status = main(["router", *arguments, "--config", str(folder / FILE)])
    return status, capsys.readouterr().out


def test_who_was_told_and_why_in_words(capsys, folder):
    """Route, receivers, reason, rules, attempts and the incident, by id, name or fingerprint."""
    status, first = run(capsys, folder, "explain", "1")
    assert status == 0
    for text in (
        "alert 1: retriever-down fires (critical)", "tier page): told hook, because it was new on this route",
        "hook by webhook, of it: delivered (ok), 2 attempts", "incident 1: opened 2026-11-20 12:00:00 UTC, now open",
    ):  # fmt: skip
        assert text in first
    _, second = run(capsys, folder, "explain", "retriever-down")
    assert "nobody was told, because this route told the same not long ago" in second
    _, by_print = run(capsys, folder, "explain", make_alert().fingerprint)
    assert by_print == second
    assert "because no route matches it" in run(capsys, folder, "explain", "odd")[1]
    assert run(capsys, folder, "explain", "nothing")[0] == 1


def test_every_reason_and_every_end_has_words():
    """No decision and no delivery is left without an explanation."""
    assert set(explain.WHY) == set(Reason)
    assert set(explain._BECAME) == {"pending"} | (set(Outcome) - {Outcome.RETRY})


def test_the_trail_verifies_and_exports(capsys, folder):
    """Entries for decisions, incidents, messages and deliveries; anybody can compute the chain from the export."""
    status, text = run(capsys, folder, "audit", "verify")
    assert (status, text.startswith("ok: ")) == (0, True)
    head = text.split()[-1]
    lines = [json.loads(line) for line in run(capsys, folder, "audit", "export")[1].splitlines()]
    assert {line["kind"] for line in lines} == {"decision", "incident_opened", "notification", "delivery"}
    assert [line["body"]["reason"] for line in lines if line["kind"] == "decision"] == [
        "new",
        "deduplicated",
        "no_route",
    ]
    previous = "0" * 64
    for line in lines:
        body = json.dumps(line["body"], ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        fields = [previous, line["id"], line["at"], line["kind"], line["alert_id"], line["incident_id"], body]
        text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        previous = hashlib.sha256(text.encode()).hexdigest()
        assert previous == line["hash"]
    assert previous == head
    assert run(capsys, folder, "audit", "verify", "--head", head)[0] == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET body = replace(body, 'new', 'old') WHERE id = 1", "DELETE FROM audit WHERE id = 2",
        "UPDATE audit SET alert_id = 9 WHERE id = 1", "UPDATE audit SET at = at + 1 WHERE id = 3",
    ],
)  # fmt: skip
def test_whoever_changes_the_trail_is_found_out(capsys, folder, change):
    """Even with the triggers taken away, a changed or missing entry breaks the chain."""
    connection = sqlite3.connect(folder / "router.db")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(change)
    for trigger in ("audit_no_UPDATE", "audit_no_DELETE"):
        connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(change)
    connection.commit()
    connection.close()
    status, text = run(capsys, folder, "audit", "verify")
    assert (status, text.startswith("broken at entry")) == (1, True)


def test_a_trail_that_was_cut_off_is_found_by_a_kept_hash(capsys, folder):
    """The chain before the cut is right; the hash that somebody kept is not in it."""
    head = run(capsys, folder, "audit", "verify")[1].split()[-1]
    connection = sqlite3.connect(folder / "router.db")
    connection.execute("DROP TRIGGER audit_no_DELETE")
    connection.execute("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")
    connection.commit()
    connection.close()
    assert run(capsys, folder, "audit", "verify")[0] == 0
    assert run(capsys, folder, "audit", "verify", "--head", head)[0] == 1


def test_decisions_cannot_be_changed(tmp_path):
    """Not even by the router itself."""
    with world_of(make_config(tmp_path, MINIMAL)) as world:
        world.accept(make_alert())
        world.turn()
        with pytest.raises(StoreError, match="append-only"), world.store._database.write() as connection:
            connection.exec_driver_sql("UPDATE decisions SET reason = 'x'")


def test_the_command_acknowledges_in_a_running_router(capsys, tmp_path):
    """By incident number; who it was is kept; an unknown one is one line and status 1."""
    file = tmp_path / FILE
    file.write_text("version: 1\nreceivers: {a: {console: {}}}\nroutes: [{tier: page, receivers: [a]}]")
    with RouterProcess(file) as router:
        router.post(make_request(make_span(make_tag())))
        wait_until(lambda: router.get("incidents"), "the incident is open")
        url = str(router.client.base_url)
        assert run(capsys, tmp_path, "acknowledge", "1", "--by", "mina", "--url", url) == (
            0,
            "incident 1: acknowledged\n",
        )
        assert run(capsys, tmp_path, "resolve", "1", "--by", "mina", "--url", url) == (0, "incident 1: resolved\n")
        assert run(capsys, tmp_path, "resolve", "9", "--url", url)[0] == 1
        assert run(capsys, tmp_path, "explain", "1")[0] == 0
        (incident,) = router.get("incidents")
        explanation = router.client.get("/api/v1/explain/1").json()["explanation"]
    assert (incident["acknowledged_by"], incident["resolved_by"]) == ("mina", "mina")
    assert any("acknowledged by mina" in line for line in explanation)
    assert run(capsys, tmp_path, "acknowledge", "1", "--url", url)[0] == 1


HELD = """
    version: 1
    receivers: {ops: {console: {}}}
    silences: [{matchers: ['service="old"'], ends_at: 2027-01-01}]
    inhibit: [{source_matchers: ['alertname="down"'], target_matchers: ['alertname="slow"']}]
    time_intervals: {noon: [{times: [{start_time: '11:00', end_time: '13:00'}]}]}
    routes:
      - {matchers: ['team="office"'], tier: page, receivers: [ops], mute_time_intervals: [noon]}
      - {tier: page, receivers: [ops]}
"""


def test_what_held_an_alert_back_is_named(capsys, tmp_path):
    """A silence with who made it and why, one of the rules, the alert that says more, muted times, and until when."""
    with world_of(make_config(tmp_path, HELD)) as world:
        until = NOON + timedelta(hours=2)
        made = Silence("s1", (parse('service="new"'),), NOON, until, "mina", "moving house")
        world.store.silence(made, NOON)
        world.accept(
            make_alert(alertname="down"),
            make_alert(alertname="slow"),
            make_alert(service="old"),
            make_alert(service="new", alertname="moved"),
            make_alert(team="office", alertname="muted"),
        )
        world.turn()
    told = {name: run(capsys, tmp_path, "explain", name)[1] for name in ("slow", "retriever-down", "moved", "muted")}
    assert "held by down (alert 1) until that is over, then decided again" in told["slow"]
    assert (
        "held by the silence file:0, which stands in the rules, until 2027-01-01 00:00:00 UTC" in told["retriever-down"]
    )
    assert "held by the silence s1 by mina (moving house) until 2026-11-20 14:00:00 UTC" in told["moved"]
    assert "held by noon until 2026-11-20 13:00:00 UTC" in told["muted"]


def git(folder, *arguments):
    """Run git as nobody in particular."""
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    ended = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return ended.stdout.strip()


def test_the_trail_says_which_commit_the_rules_were(capsys, tmp_path):
    """Started from a committed file and reloaded with changes: hash and revision stand in the chain; else none."""
    file = tmp_path / FILE
    file.write_text(textwrap.dedent(MINIMAL))
    assert revision_of(file) == ""
    git(tmp_path, "init", "--quiet")
    assert revision_of(file) == ""
    git(tmp_path, "add", FILE)
    git(tmp_path, "commit", "--quiet", "-m", "rules")
    commit = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    with RouterProcess(file) as router:
        file.write_text(file.read_text() + "# changed\n")
        router.client.post("/-/reload").raise_for_status()
    lines = [json.loads(line) for line in run(capsys, tmp_path, "audit", "export")[1].splitlines()]
    assert [line["body"]["revision"] for line in lines if line["kind"] == "rules"] == [commit, f"{commit}+changes"]
    assert len({line["body"]["config"] for line in lines if line["kind"] == "rules"}) == 2


UNPAGED = """
    version: 1
    receivers: {ops: {console: {}}, chat: {console: {}}}
    routes:
      - {matchers: ['severity="critical"', 'env!="x"'], tier: page, receivers: [ops]}
      - {matchers: ['value>10'], tier: page, receivers: [ops]}
      - matchers: ['team="legal"']
        tier: channel
        receivers: [chat]
        routes: [{matchers: ['p="1"'], tier: page, receivers: [ops]}]
      - {tier: channel, receivers: [chat]}
      - {matchers: ['late="yes"'], tier: page, receivers: [ops]}
"""


def test_why_it_was_no_page_names_what_stood_in_the_way(capsys, tmp_path):
    """Each route that pages, and its matcher that does not hold or the route before it; nothing of that for a page."""
    with world_of(make_config(tmp_path, UNPAGED)) as world:
        world.accept(make_alert(env="x"), make_alert(alertname="paged"))
        world.turn()
    lines = run(capsys, tmp_path, "explain", "retriever-down")[1].splitlines()
    assert [line.strip() for line in lines if "no page" in line] == [
        """no page by /{severity="critical",env!="x"}: env!="x" does not hold: env is 'x'""",
        'no page by /{value>"10"}: value>"10" does not hold: value is missing',
        'no page by /{team="legal"}/{p="1"}: team="legal" does not hold: team is missing',
        'no page by /{late="yes"}: /{} before it takes the alert',
    ]
    assert "no page" not in run(capsys, tmp_path, "explain", "paged")[1]
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text() + "# other rules")
    assert "which are others" in run(capsys, tmp_path, "explain", "retriever-down")[1]
