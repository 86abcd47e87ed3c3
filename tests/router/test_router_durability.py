"""Killed at any moment under load, again and again: what was answered with 200 is told, and never under two keys."""

from __future__ import annotations

import json
import signal
import sqlite3
import textwrap
import threading
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from random import Random
from typing import TYPE_CHECKING

import pytest
from router_process import RouterProcess
from waiting import wait_until
from webhook_receiver import WebhookReceiver

from llmtrace.router.model import UNDECIDABLE

if TYPE_CHECKING:
    from pathlib import Path

RULES = """
    version: 1
    external_url: http://router.example.org
    intake: {{auth: {{bearer: ["0123456789abcdef"]}}}}
    receivers: {{hook: {{webhook: {{url: "{url}", allow_private: true}}}}}}
    routes:
      - {{tier: page, receivers: [hook], group_by: [service], group_wait: 0s, group_interval: 100ms}}
"""
SENDERS = 4
HEADERS = {"authorization": "Bearer 0123456789abcdef", "content-type": "application/json"}


class Senders:
    """Post one alert after the other on connections of their own, until the router does not answer any more."""

    def __init__(self, port: int, life: int) -> None:
        self.accepted: set[str] = set()
        self._threads = [threading.Thread(target=self._send, args=(port, f"{life}-{n}")) for n in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> set[str]:
        for thread in self._threads:
            thread.join(30)
        return self.accepted

    def _send(self, port: int, name: str) -> None:
        with closing(HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            for number in range(100_000):
                alert = f"{name}-{number}"
                body = json.dumps(
                    [{"labels": {"alertname": alert, "severity": "critical", "service": f"s{number % 3}"}}]
                )
                try:
                    connection.request("POST", "/api/v2/alerts", body, HEADERS)
                    with connection.getresponse() as answer:
                        answer.read()
                except (OSError, HTTPException):
                    return
                if answer.status == 200:
                    self.accepted.add(alert)


def end_again_and_again(folder: Path, receiver: WebhookReceiver, lives: int, number: signal.Signals) -> set[str]:
    """Start, load and end the router so often; returns the names of all that was accepted."""
    file = folder / "alerts.yaml"
    file.write_text(textwrap.dedent(RULES.format(url=receiver.url)))
    random, accepted = Random(lives), set()  # noqa: S311 - moments to die at, not secrets
    for life in range(lives):
        with RouterProcess(file) as router:
            senders = Senders(int(router.client.base_url.port or 0), life)
            threading.Event().wait(random.uniform(0.02, 0.5))
            router.process.send_signal(number)
            router.process.wait(15)
            accepted |= senders.join()
    return accepted


def check_all_told(folder: Path, receiver: WebhookReceiver, accepted: set[str]) -> None:
    """The next process tells the rest; whatever came twice came under the same key, with the same content."""
    keys: dict[str, set[str]] = {}
    bodies: dict[tuple[str, int], set[bytes]] = {}

    def all_told() -> bool:
        return accepted <= {alert["labels"]["alertname"] for got in receiver.accepted for alert in got.body["alerts"]}

    with RouterProcess(folder / "alerts.yaml") as router:
        wait_until(all_told, "all that was accepted is told", deadline=300)
        wait_until(lambda: router.client.get("/healthz").status_code == 200, "it is well")
    for got in receiver.accepted:
        about = got.body["llmtrace"]
        bodies.setdefault((about["dedup_key"], about["decision_id"]), set()).add(got.raw)
        for alert in got.body["alerts"]:
            keys.setdefault(alert["fingerprint"], set()).add(about["dedup_key"])
    assert all(len(found) == 1 for found in keys.values())
    assert all(len(found) == 1 for found in bodies.values())


@pytest.mark.parametrize(
    ("lives", "number"),
    [
        (4, signal.SIGKILL),
        (2, signal.SIGTERM),
        pytest.param(100, signal.SIGKILL, marks=pytest.mark.full),
        pytest.param(30, signal.SIGTERM, marks=pytest.mark.full),
    ],
)
def test_what_was_accepted_is_told_however_often_the_router_dies(tmp_path: Path, lives: int, number: signal.Signals):
    """At random moments under load: delivered is a superset of accepted, duplicates have the same key and content."""
    with WebhookReceiver() as receiver:
        accepted = end_again_and_again(tmp_path, receiver, lives, number)
        assert len(accepted) > lives * 5
        check_all_told(tmp_path, receiver, accepted)


@pytest.mark.full
def test_what_a_death_leaves_damaged_stops_neither_the_next_life_nor_the_one_after(tmp_path: Path):
    """An entry that nobody can read, one of a later version and an incident without steps: all else is told, once."""
    file = tmp_path / "alerts.yaml"
    with WebhookReceiver() as receiver:
        file.write_text(textwrap.dedent(RULES.format(url=receiver.url)))
        with RouterProcess(file) as router:
            post_named(router, "before")
            wait_until(lambda: receiver.accepted, "the first is told")
            router.kill()
        damage(tmp_path)
        for life in range(3):
            with RouterProcess(file) as router:
                post_named(router, f"life-{life}")
                wait_until(lambda life=life: f"life-{life}" in names_of(receiver), "the new one is told")
                wait_until(lambda: router.client.get("/healthz").json().get("set_aside"), "it is shown")
                wait_until(lambda: {"later", UNDECIDABLE} <= names_of(receiver), "what can be read is told")
                assert router.client.get("/healthz").json()["status"] == "ok"
                assert router.client.get("/healthz").json()["set_aside"]["inbox_entry"] == 2
                router.kill()


def post_named(router: RouterProcess, name: str) -> None:
    """An alert that pages."""
    alert = {"labels": {"alertname": name, "severity": "critical"}}
    assert router.client.post("/api/v2/alerts", json=[alert], headers=HEADERS).status_code == 200


def names_of(receiver: WebhookReceiver) -> set[str]:
    """All that was told."""
    return {alert["labels"]["alertname"] for got in receiver.accepted for alert in got.body["alerts"]}


def damage(folder: Path) -> None:
    """What a bad disk and a downgrade do."""
    (inbox,) = folder.glob("*.inbox")
    later = json.dumps([{"labels": {"alertname": "later", "severity": "critical"}, "begins": 7}]).encode()
    with closing(sqlite3.connect(inbox)) as connection, connection:
        for body in (b"\x00\x01", later):
            last = connection.execute("SELECT coalesce(max(id), 1000) FROM inbox").fetchone()[0]
            connection.execute("INSERT INTO inbox VALUES (?, 0, 1, ?)", (last + 1, body))
    with closing(sqlite3.connect(inbox.with_suffix(""))) as connection, connection:
        connection.execute("UPDATE incidents SET steps = '[{'")
