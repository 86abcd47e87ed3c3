"""The store: what was accepted survives, a database that cannot be used is one line, and the tables fit PostgreSQL."""

from __future__ import annotations

import os
import sqlite3

import pytest
from router_store import world_of
from router_values import NOON, make_alert, make_config
from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.model import Destination
from llmtrace.router.ports import Desk, StoreError
from llmtrace.router.store import schema
from llmtrace.router.store.database import Database


def test_commits_wait_for_the_disk(tmp_path):
    """Every connection writes ahead and syncs fully: a 200 is not given for what a power cut could take."""
    database = Database(tmp_path / "router.db")
    with database.write() as one, database.read() as two:
        for connection in (one, two):
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
            assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    database.close()


def test_the_file_is_for_its_owner_alone(tmp_path):
    """Nobody else may read what alerts say, whatever the umask."""
    before = os.umask(0)
    try:
        Database(tmp_path / "router.db").close()
    finally:
        os.umask(before)
    assert (tmp_path / "router.db").stat().st_mode & 0o777 == 0o600


def test_a_failed_transaction_leaves_nothing(tmp_path):
    """An error in the middle undoes what went before it and is a StoreError without the statement."""
    database = Database(tmp_path / "router.db")
    twice = [{"version": 7, "link_key": ""}] * 2
    with pytest.raises(StoreError, match="UNIQUE constraint failed") as caught, database.write() as connection:  # noqa: PT012 - the block is what is tested
        connection.execute(schema.about.insert().values(version=6, link_key=""))
        connection.execute(schema.about.insert(), twice)
    assert "INSERT" not in str(caught.value)
    with database.read() as connection:
        assert connection.execute(select(schema.about.c.version)).scalars().all() == [schema.VERSION]
    database.close()


def test_a_database_that_cannot_be_used_is_one_line(tmp_path):
    """A folder that is not there, a file that is no database and one of another version say what is wrong."""
    other = tmp_path / "other.db"
    Database(other).close()
    with sqlite3.connect(other) as connection:
        connection.execute("UPDATE about SET version = 99")
    connection.close()
    text = tmp_path / "text.db"
    text.write_text("this is no database, and long enough to be looked at as one" * 20)
    for file, problem in (
        (tmp_path / "none" / "router.db", "No such file or directory; allowed: a file in a writable folder"),
        (tmp_path, "Is a directory"),
        (text, "is no database that can be used: file is not a database"),
        (other, "is of schema version 99; this llmtrace uses 3"),
    ):
        with pytest.raises(ConfigurationError, match=problem) as caught:
            Database(file)
        assert "\n" not in str(caught.value)


def test_two_routers_do_not_share_a_file(tmp_path):
    """The second one is refused while the first one lives, and taken afterwards."""
    first = Database(tmp_path / "router.db")
    with pytest.raises(ConfigurationError, match="in use by another router; stop it, or name another file"):
        Database(tmp_path / "router.db")
    first.close()
    Database(tmp_path / "router.db").close()


def test_the_tables_fit_postgresql():
    """Every table and index is written in SQL that PostgreSQL's dialect knows."""
    for table in schema.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=postgresql.dialect()))
        for index in table.indexes:
            assert "INDEX" in str(CreateIndex(index).compile(dialect=postgresql.dialect()))


def test_alerts_are_decided_once_and_in_order(tmp_path):
    """Each accepted alert comes to the decision exactly once, the oldest first, also over a reopened file."""
    config = make_config(tmp_path)
    seen = []

    def decider(alert, _recall):
        seen.append(alert.labels["number"])
        return ()

    with world_of(config) as world:
        for number in range(5):
            world.accept(make_alert(number=str(number)))
        assert advance(world, decider, 2) is True
        assert len(seen) == 2
    with world_of(config) as world:
        assert advance(world, decider, 10) is False
        assert advance(world, decider, 10) is False
    assert seen == ["0", "1", "2", "3", "4"]


def test_a_decision_that_fails_keeps_the_alert(tmp_path):
    """Nothing is marked as decided where the decision did not come to its end."""
    with world_of(make_config(tmp_path)) as world:
        world.accept(make_alert())
        with pytest.raises(ZeroDivisionError):
            advance(world, lambda _alert, _recall: [1 // 0])
        seen = []
        advance(world, lambda alert, _recall: seen.append(alert) or ())
    assert seen == [make_alert()]


def test_times_come_back_to_the_microsecond(tmp_path):
    """What is read equals what was written, zone included."""
    with world_of(make_config(tmp_path)) as world:
        world.accept(make_alert())
        world.turn_store([])
        (row,) = world.records.alerts(10, None)
    assert row["starts_at"] == NOON.isoformat()
    assert row["decided_at"] == NOON.isoformat()


def test_deliveries_to_what_is_configured_no_more_end(tmp_path):
    """A delivery whose receiver left the file is over, and says so."""
    with world_of(make_config(tmp_path)) as world:
        world.accept(make_alert())
        world.turn_store([Destination("hook", "webhook")])
        assert world.store.retire([Destination("hook", "webhook")], NOON) == 0
        assert world.store.retire([Destination("other", "console")], NOON) == 1
        assert world.records.deliveries(10, None)[0]["state"] == "receiver_gone"


def test_a_group_whose_receiver_left_is_not_lost_in_silence(tmp_path):
    """It becomes a delivery that ended, which can be read."""
    with world_of(make_config(tmp_path)) as world:
        world.accept(make_alert())
        world.turn_store([Destination("other", "console")])
        (row,) = world.records.deliveries(10, None)
    assert (row["receiver"], row["state"]) == ("hook", "receiver_gone")


class Calling:
    """A decision that is this function, and never finds anything over."""

    def __init__(self, decide):
        self._decide = decide

    def place(self, _alert):
        return ()

    def decide(self, alert, recall, _places):
        return self._decide(alert, recall)

    def may_hold(self, _recall):
        return False


def advance(world, decider, limit=10):
    """One turn of the store."""
    return world.store.advance(Calling(decider), Desk([]), (), NOON, limit).more
