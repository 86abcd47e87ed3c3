"""Statements that are made once: what they find and write is what SQLAlchemy finds and writes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, bindparam, create_engine, select, update

from llmtrace.router.store.backend import JSON_CODEC
from llmtrace.router.store.ledger import _FIRING
from llmtrace.router.store.schema import Time, audit, groups, metadata
from llmtrace.router.store.statement import Insertion, Statement, _every, inserting

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
AMONG = Statement(
    select(groups).where(
        groups.c.key.in_(bindparam("keys", expanding=True)), groups.c.told_at <= bindparam("now", type_=Time)
    ),
    "keys",
)
NOT_AMONG = Statement(select(groups.c.key).where(groups.c.key.not_in(bindparam("keys", expanding=True))), "keys")


@pytest.fixture(scope="module")
def connection() -> Iterator[Connection]:
    """A database with forty groups."""
    engine = create_engine("sqlite://", **JSON_CODEC)
    metadata.create_all(engine)
    with engine.begin() as opened:
        inserting(groups).run_all(opened, [group(number) for number in range(40)])
        yield opened
    engine.dispose()


def group(number: int) -> dict[str, Any]:
    """A row."""
    told_at = None if number % 3 else NOON
    return {"key": f"g{number}", "labels": {"n": str(number)}, "route": "r", "policy": {"tier": "page"},
            "sequence": number, "told_at": told_at, "due_at": None}  # fmt: skip


@given(numbers=st.lists(st.integers(0, 60), max_size=60))
def test_lists_of_any_length_find_what_they_name(connection: Connection, numbers: list[int]) -> None:
    """However many values a list has, none among them, what is found is what SQLAlchemy finds, values included."""
    keys = [f"g{number}" for number in numbers]
    query = select(groups).where(groups.c.key.in_(keys), groups.c.told_at <= NOON)
    assert [row._asdict() for row in AMONG.rows(connection, keys=keys, now=NOON)] == [
        row._asdict() for row in connection.execute(query)
    ]
    without = {row.key for row in NOT_AMONG.rows(connection, keys=keys)}
    assert without == {f"g{number}" for number in range(40)} - set(keys)


def test_a_long_list_is_one_statement(connection: Connection) -> None:
    """More names than a page of them has are one statement too."""
    keys = [f"g{number}" for number in range(5_000)]
    assert len(AMONG.rows(connection, keys=keys, now=NOON)) == 14


def test_constants_and_times_are_written_as_sqlalchemy_writes_them(connection: Connection) -> None:
    """A constant that stands in the statement, an absent value and a time come back as they were."""
    change = Statement(
        update(groups)
        .where(groups.c.key == bindparam("b_key"))
        .values(told_at=bindparam("b_told"), route="other", due_at=None)
    )
    assert change.run(connection, b_key="g1", b_told=NOON) == 1
    assert change.run(connection, b_key="unknown", b_told=NOON) == 0
    row = connection.execute(select(groups).where(groups.c.key == "g1")).one()
    assert (row.told_at, row.route, row.due_at, row.labels) == (NOON, "other", None, {"n": "1"})


def test_an_id_never_comes_back(tmp_path: Path) -> None:
    """Ids go on from the highest that is known anywhere, though the row that had it is gone, or was never committed."""
    insertion = Insertion(audit, known=[audit.c.alert_id])
    row = {"at": NOON, "kind": "k", "alert_id": None, "incident_id": None, "body": "", "hash": ""}
    first, second = (create_engine(f"sqlite:///{tmp_path}/some.db") for _ in range(2))
    metadata.create_all(first)
    with first.begin() as connection:
        assert insertion.run(connection, []) == ()
        assert list(insertion.run(connection, [row, {**row, "alert_id": 7}])) == [1, 2]
    with first.connect() as connection:
        assert list(insertion.run(connection, [row])) == [3]  # undone
    with first.begin() as connection:
        assert list(insertion.run(connection, [row])) == [4]
    with second.begin() as connection:  # the next process
        assert list(insertion.run(connection, [row, row])) == [8, 9]
    first.dispose()
    second.dispose()


def test_no_statement_of_a_turn_reads_a_whole_table(connection: Connection) -> None:
    """A turn takes as long with a year of alerts as with one: what it asks for is found by an index, read once."""
    importlib.import_module("llmtrace.router.app")  # with it come all statements
    whole = re.compile(r"SCAN (alerts|decisions|alert_groups|incidents|notifications|members|deliveries|states)$")
    for statement in _every:
        if statement in (AMONG, NOT_AMONG, _FIRING):  # ours; and what fires, all of it, for rules that inhibit
            continue
        one_each = {name: ["?"] for name in statement._lists}
        text = statement._text(connection.dialect, one_each)
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text.sql}", tuple("?" * len(text.names)))
        assert not [step.detail for step in plan if whole.match(step.detail)], text.sql
