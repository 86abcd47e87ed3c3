"""Statements that are made once: SQLAlchemy writes the SQL, the driver runs it, and nothing is worked out at each turn.

A turn runs some thirty statements, and there is one for every alert and every receipt. To build one costs ten times
what SQLite needs to run it; even a built one costs SQLAlchemy a multiple of that. What is rare stays with SQLAlchemy.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Dialect,
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

_Process = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class _Slot:
    """A place for a value: of a parameter, or of a constant."""

    name: str
    process: _Process
    is_constant: bool
    constant: Any = None


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement as a dialect writes it. ``names`` and ``written`` say the same as ``slots``, for speed."""

    sql: str
    is_positional: bool
    slots: Sequence[_Slot]
    names: Sequence[str]
    """Of each place, where its value is found: constants have keys of their own in ``constants``."""
    constants: Mapping[str, Any]
    written: Sequence[tuple[int, Callable[[Any], Any]]]
    """Places whose values the driver does not take as they are."""
    make: Callable[[Iterable[Any]], Any]
    readers: Sequence[tuple[int, Callable[[Any], Any]]]

    def arguments(self, values: Mapping[str, Any]) -> Any:
        """As the driver takes them."""
        if self.constants:
            values = {**values, **self.constants}
        found = [values[name] for name in self.names]
        for index, write in self.written:
            found[index] = write(found[index])
        if self.is_positional:
            return found
        return dict(zip([slot.name for slot in self.slots], found, strict=True))

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
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text.sql, text.arguments(filled))
            found = cursor.fetchall()
        finally:
            cursor.close()
        return [text.row(each) for each in found]

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
        cursor = connection.connection.cursor()
        try:
            cursor.execute(text.sql, text.arguments(filled))
            return int(cursor.rowcount)
        finally:
            cursor.close()

    def run_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run it once for each; it has no lists."""
        if not rows:
            return
        text, _ = self._prepared(connection, {})
        cursor = connection.connection.cursor()
        try:
            cursor.executemany(text.sql, [text.arguments(row) for row in rows])
        finally:
            cursor.close()

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


def get_ready(dialect: Dialect) -> None:
    """Write every statement that there is, so that the first alert does not wait for it."""
    for statement in _every:
        statement.get_ready(dialect)


def inserting(table: Table, *without: str) -> Statement:
    """An insertion of all columns but these."""
    names = [column.name for column in table.columns if column.name not in without]
    return Statement(insert(table).values({name: bindparam(name) for name in names}))


class Insertion:
    """Rows into a table, with ids that go on from the highest: this process is the only one that writes.

    ``known``: columns that may name ids of rows that were taken out meanwhile. No id comes back.
    """

    def __init__(self, table: Table, *without: str, known: Sequence[ColumnElement[int]] = ()) -> None:
        self._insert = inserting(table, *without)
        found = union_all(*(select(func.max(column).label("id")) for column in (table.c.id, *known))).subquery()
        self._highest = Statement(select(func.max(found.c.id)))

    def run(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Insert them; returns their ids, in the order of ``rows``."""
        if not rows:
            return ()
        first = (self._highest.scalar(connection) or 0) + 1
        ids = range(first, first + len(rows))
        self._insert.run_all(connection, [{**row, "id": number} for row, number in zip(rows, ids, strict=True)])
        return ids


def _filled(given: Iterable[Any]) -> Sequence[Any]:
    found = list(given)
    if not found:
        return found
    size = 1 << (len(found) - 1).bit_length() if len(found) <= _ROUND else -(-len(found) // _ROUND) * _ROUND
    return found + [found[-1]] * (size - len(found))


def _written(statement: Any, dialect: Dialect, values: Mapping[str, Any]) -> _Text:
    compiled = statement.compile(dialect=dialect)
    required = {name: None for name, bind in compiled.binds.items() if bind.required}
    state = compiled.construct_expanded_state({**required, **values}, escape_names=False)
    lists = {each: name for name, names in state.parameter_expansion.items() for each in names}
    slots = [_slot(name, compiled.binds[lists.get(name, name)], state.parameters[name], dialect)
             for name in state.positiontup or state.parameters]  # fmt: skip
    columns = list(statement.selected_columns) if isinstance(statement, Select) else []
    readers = [
        (index, read)
        for index, column in enumerate(columns)
        if (read := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
    ]
    row = namedtuple("Row", [str(column.key) for column in columns], rename=True)  # type: ignore[misc] # noqa: PYI024 - made of columns
    names = [f"={slot.name}" if slot.is_constant else slot.name for slot in slots]
    constants = {name: slot.constant for name, slot in zip(names, slots, strict=True) if slot.is_constant}
    written = [(index, slot.process) for index, slot in enumerate(slots) if slot.process is not None]
    return _Text(state.statement, compiled.positional, slots, names, constants, written, row._make, readers)


def _slot(name: str, bind: BindParameter[Any], value: Any, dialect: Dialect) -> _Slot:
    process = bind.type.dialect_impl(dialect).bind_processor(dialect)
    if bind.required:
        return _Slot(name, process, is_constant=False)
    return _Slot(name, None, is_constant=True, constant=value if process is None else process(value))
