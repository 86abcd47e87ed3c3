"""Retention: what is over and old goes, what is open stays, the audit trail still verifies, the file stops growing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from router_store import World, world_of
from router_values import ManualClock, make_alert, make_config

from llmtrace.router.model import Status
from llmtrace.router.ports import Retention
from llmtrace.router.store.audit import holds, verify

RULES = """
    version: 1
    receivers: {pager: {console: {}}, tickets: {servicenow: {instance: x, token: "0123456789abcdef0"}}}
    routes:
      - {matchers: ['regulated="true"'], tier: page, receivers: [tickets]}
      - {tier: page, receivers: [pager], group_by: ['...']}
"""
MONTH = Retention(timedelta(days=30), timedelta(days=60))
TABLES = ("alerts", "decisions", "alert_groups", "states", "incidents", "notifications", "members", "deliveries")


@pytest.fixture
def world(tmp_path):
    """A store for the rules above."""
    with world_of(make_config(tmp_path, RULES)) as opened:
        yield opened


def prune(world: World, retention: Retention = MONTH) -> None:
    """Until nothing more is too old."""
    while world.store.prune(retention, world.clock.now()):
        pass


def counts(tmp_path) -> dict[str, int]:
    """Rows by table."""
    with sqlite3.connect(tmp_path / "router.db") as connection:
        found = {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in TABLES}  # noqa: S608 - names of ours
    connection.close()
    return found


def a_day(world: World, name: str) -> None:
    """Some alerts come and are over."""
    alerts = [make_alert(alertname=f"{name}-{number}") for number in range(5)]
    world.accept(*alerts)
    world.turn()
    world.accept(*(replace(alert, status=Status.RESOLVED, ends_at=world.clock.now()) for alert in alerts))
    world.turn(minutes=5)
    world.clock.move(days=1)


def test_what_is_over_and_old_goes(world: World, tmp_path):
    """Nothing is left of alerts that were over before the time; those after it stay whole."""
    a_day(world, "old")
    world.clock.move(days=29)
    a_day(world, "young")
    prune(world)
    assert {row["labels"]["alertname"][:5] for row in world.records.alerts(100, None)} == {"young"}
    assert counts(tmp_path) == {
        "alerts": 10, "decisions": 10, "alert_groups": 5, "states": 5, "incidents": 5, "notifications": 10,
        "members": 10, "deliveries": 10,
    }  # fmt: skip
    assert "young-0" in world.records.explain("young-0")[0]


def test_what_is_open_stays_however_old(world: World):
    """A regulated alert that nobody resolved, with its incident and its explanation."""
    world.accept(make_alert(alertname="model", regulated="true"))
    world.turn()
    world.clock.move(days=365)
    prune(world)
    (incident,) = world.records.incidents(10, None)
    assert incident["state"] == "open"
    assert "told tickets" in " ".join(world.records.explain("model"))


def test_the_audit_trail_is_cut_at_its_beginning_and_still_verifies(world: World):
    """It is kept longer; the cut is an entry itself, and no other entry can be taken out."""
    for day in range(12):
        a_day(world, str(day))
    world.clock.move(days=55)
    with world._database.read() as connection:
        before = verify(connection)
    prune(world)
    with world._database.read() as connection:
        after = verify(connection)
        assert holds(connection, before.head)
    assert after.broken_at is None
    assert 0 < after.entries < before.entries
    with pytest.raises(Exception, match="append-only"), world._database.write() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)")


def weight(file: Path) -> int:
    """Bytes of the file once all that stands in its log is written into it."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    return file.stat().st_size


def test_the_file_stops_growing(tmp_path):
    """Day after day of the same traffic: rows and bytes stay what they were after the first days."""
    clock, sizes = ManualClock(), []
    retention = Retention(timedelta(days=2), timedelta(days=2))
    with world_of(make_config(tmp_path, RULES), clock) as world:
        for day in range(12):
            a_day(world, str(day))
            prune(world, retention)
            if day % 2 == 1:
                sizes.append((sum(counts(tmp_path).values()), weight(tmp_path / "router.db")))
    rows, size = zip(*sizes[2:], strict=True)
    assert max(rows) == min(rows)
    assert max(size) <= min(size) * 1.1
