"""Statements that are made once: SQLAlchemy writes the SQL, the driver runs it, and nothing is worked out at each turn.

A turn runs some thirty statements, and there is one for every alert and every receipt. To build one costs ten times
what SQLite needs to run it; even a built one costs SQLAlchemy a multiple of that. What is rare stays with SQLAlchemy.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakKeyDictionary

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Table,
    bindparam,
    func,
    insert,
    select,
    union_all,
)
from sqlalchemy.sql import Select
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from llmtrace.router.store.rows import AnyRow

_ROUND: Final = 512
"""Lists are filled up with their last element to a power of two, from here on to a multiple of this, so that few texts
serve all."""


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as a dialect writes it."""

    sql: str
    is_positional: bool
    names: Sequence[str]
    """Of each place, the parameter that stands there."""
    written: Sequence[tuple[int, Callable[[Any], Any]]]
    """Places whose values the driver does not take as they are."""
    make: Callable[[Iterable[Any]], Any]
    readers: Sequence[tuple[int, Callable[[Any], Any]]]

    def arguments(self, values: Mapping[str, Any]) -> Any:
        """As the driver takes them."""
        found = [values[name] for name in self.names]
        for index, write in self.written:
            found[index] = write(found[index])
        if self.is_positional:
            return found
        return dict(zip(self.names, found, strict=True))

    def row(self, found: Sequence[Any]) -> AnyRow:
        """With names, and values as Python has them."""
        values = list(found)
        for index, read in self.readers:
            values[index] = read(values[index])
        row: AnyRow = self.make(values)
        return row


_every: Final[list[Statement]] = []


class Statement:
    """One statement with named parameters. ``lists`` names those that stand for any number of values (``in_``)."""

    def __init__(self, statement: UpdateBase | SelectBase, *lists: str) -> None:
        self._statement = statement
        self._lists = lists
        self._texts: dict[tuple[str, tuple[int, ...]], _Text] = {}
        _every.append(self)

    def rows(self, connection: Connection, **values: Any) -> list[AnyRow]:
        """All that it finds."""
        text, filled = self._prepared(connection, values)
        return [text.row(each) for each in _driver(connection).execute(text.sql, text.arguments(filled)).fetchall()]

    def first(self, connection: Connection, **values: Any) -> AnyRow | None:
        """The first row that it finds."""
        return next(iter(self.rows(connection, **values)), None)

    def scalar(self, connection: Connection, **values: Any) -> Any:
        """The first value of the first row; None where there is none."""
        row = self.first(connection, **values)
        return None if row is None else row[0]

    def run(self, connection: Connection, **values: Any) -> int:
        """Run it; how many rows it changed."""
        text, filled = self._prepared(connection, values)
        return int(_driver(connection).execute(text.sql, text.arguments(filled)).rowcount)

    def run_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it once for each; it has no lists."""
        if not rows:
            return
        text, _ = self._prepared(connection, {})
        _driver(connection).cursor().executemany(text.sql, [text.arguments(row) for row in rows])

    def get_ready(self, dialect: Dialect) -> None:
        """Write it beforehand, for lists of one."""
        self._text(dialect, {name: [None] for name in self._lists})

    def _prepared(self, connection: Connection, values: dict[str, Any]) -> tuple[_Text, Mapping[str, Any]]:
        if not self._lists:
            return self._text(connection.dialect, values), values
        for name in self._lists:
            values[name] = _filled(values[name])
        text = self._text(connection.dialect, values)
        for name in self._lists:
            for number, value in enumerate(values[name], 1):
                values[f"{name}_{number}"] = value
        return text, values

    def _text(self, dialect: Dialect, values: Mapping[str, Any]) -> _Text:
        key = (dialect.name, tuple([len(values[name]) for name in self._lists]) if self._lists else ())
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = _written(self._statement, dialect, values)
        return text


def _driver(connection: Connection) -> Any:
    """The connection of the driver: its own ``execute`` saves what SQLAlchemy would wrap a cursor in."""
    return connection.connection.dbapi_connection


def get_ready(dialect: Dialect) -> None:
    """Write every statement that there is, so that the first alert does not wait for it."""
    for statement in _every:
        statement.get_ready(dialect)


def inserting(table: Table, *without: str) -> Statement:
    """An insertion of all columns but these."""
    names = [column.name for column in table.columns if column.name not in without]
    return Statement(insert(table).values({name: bindparam(name) for name in names}))


class Insertion:
    """Rows into a table, with ids that go on from the highest, which is read once: only this process writes.

    ``known``: columns that may name ids of rows that were taken out meanwhile. No id comes back, nor one of a
    transaction that was undone.
    """

    def __init__(self, table: Table, *without: str, known: Sequence[ColumnElement[int]] = ()) -> None:
        self._insert = inserting(table, *without)
        found = union_all(*(select(func.max(column).label("id")) for column in (table.c.id, *known))).subquery()
        self._highest = Statement(select(func.max(found.c.id)))
        self._last: WeakKeyDictionary[Engine, int] = WeakKeyDictionary()

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Insert them; returns their ids, in the order of ``rows``."""
        if not rows:
            return ()
        last = self._last.get(connection.engine)
        if last is None:
            last = self._highest.scalar(connection) or 0
        ids = range(last + 1, last + 1 + len(rows))
        self._last[connection.engine] = ids[-1]
        self._insert.run_all(connection, [{**row, "id": number} for row, number in zip(rows, ids, strict=True)])
        return ids


def _filled(given: Iterable[Any]) -> Sequence[Any]:
    found = list(given)
    if not found:
        return found
    size = 1 << (len(found) - 1).bit_length() if len(found) <= _ROUND else -(-len(found) // _ROUND) * _ROUND
    return found + [found[-1]] * (size - len(found))


class _Literal:
    """A compiler that writes constants into the text, where the database can tell which partial index fits.

    Bound to a mark, a constant would have SQLite look again at each run whether one does.
    """

    def visit_bindparam(self, parameter: BindParameter[Any], *arguments: Any, **named: Any) -> str:
        """A constant is one that has its value."""
        above: Any = super()
        found: str = above.visit_bindparam(parameter, *arguments, **{**named, "literal_binds": not parameter.required})
        return found


def _written(statement: Any, dialect: Dialect, values: Mapping[str, Any]) -> _Text:
    compiled: Any = type("Compiler", (_Literal, dialect.statement_compiler), {})(dialect, statement)
    state = compiled.construct_expanded_state({**dict.fromkeys(compiled.binds), **values}, escape_names=False)
    lists = {each: name for name, names in state.parameter_expansion.items() for each in names}
    names = list(state.positiontup or state.parameters)
    types = [compiled.binds[lists.get(name, name)].type.dialect_impl(dialect) for name in names]
    written = [
        (index, write) for index, each in enumerate(types) if (write := each.bind_processor(dialect)) is not None
    ]
    columns = list(statement.selected_columns) if isinstance(statement, Select) else []
    readers = [
        (index, read)
        for index, column in enumerate(columns)
        if (read := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    ]
    row = namedtuple("Row", [str(column.key) for column in columns], rename=True)  # type: ignore[misc] # noqa: PYI024 - made of columns
    return _Text(state.statement, compiled.positional, names, written, row._make, readers)
