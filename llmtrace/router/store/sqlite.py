"""SQLite: what was committed is on disk, and one router has the files. SQLite's own words live here."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import URL

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.ports import StoreError
from llmtrace.router.store.backend import JSON_CODEC, LATEST_FIRST

_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON")
_INBOX: Final = (
    "CREATE TABLE IF NOT EXISTS inbox "
    "(id INTEGER PRIMARY KEY, received_at INTEGER NOT NULL, alerts INTEGER NOT NULL, body BLOB NOT NULL)"
)
_LOG_SIZE: Final = 1_000 * 4_096
"""Bytes; SQLite begins at the front again when its log is a thousand pages long."""
_NOBODYS_ID: Final = -1
_APPEND_ONLY: Final = (
    "CREATE TRIGGER IF NOT EXISTS {table}_no_{change} BEFORE {change} ON {table} {when}"
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
)


class SqliteBackend:
    """A file, and the inbox in another file beside it: SQLite has one writer for each."""

    def __init__(self, file: Path) -> None:
        self.name = str(file)
        inbox = Path(f"{file}.inbox")
        self._lock = _take(file, inbox)
        self.engine = create_engine(URL.create("sqlite", database=str(file)), pool_use_lifo=LATEST_FIRST, **JSON_CODEC)
        event.listen(self.engine, "connect", _prepare)
        event.listen(self.engine, "begin", _begin)
        try:
            self.inbox = SqliteRows(inbox)
        except StoreError as error:
            os.close(self._lock)
            raise ConfigurationError(f"store: {inbox} is no database that can be used: {error}") from error

    def append_only(self, table: str, above: str) -> Sequence[str]:
        """Triggers."""
        when = {"UPDATE": "", "DELETE": f"WHEN OLD.id > ({above}) "}
        return [_APPEND_ONLY.format(table=table, change=change, when=guard) for change, guard in when.items()]

    def close(self) -> None:
        """Give all connections back, and the files to the next router."""
        self.engine.dispose()
        self.inbox.close()
        os.close(self._lock)


class SqliteRows:
    """One connection that writes and one that reads, each used by one thread at a time."""

    mark = "?"
    near = True

    def __init__(self, file: Path) -> None:
        self._writing, self._reading = threading.Lock(), threading.Lock()
        try:
            self._writer, self._reader = (
                sqlite3.connect(file, isolation_level=None, check_same_thread=False) for _ in range(2)
            )
            for connection in (self._writer, self._reader):
                _prepare(connection, None)
            self._writer.execute(_INBOX)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def make_room(self) -> None:
        """Let the log have its full size from the start: to write over it is quicker than to let it grow."""
        insert, delete = "INSERT INTO inbox VALUES (?, 0, 0, zeroblob(?))", "DELETE FROM inbox WHERE id = ?"
        self.write((insert, [(_NOBODYS_ID, _LOG_SIZE)]), (delete, [(_NOBODYS_ID,)]))
        with self._writing:
            self._writer.execute("PRAGMA wal_checkpoint(RESTART)")

    def write(self, *statements: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        """In one transaction; a single row needs none of its own, and so fewer steps."""
        with self._writing:
            try:
                if len(statements) == 1 and len(statements[0][1]) == 1:
                    self._writer.execute(statements[0][0], statements[0][1][0])
                    return
                self._writer.execute("BEGIN IMMEDIATE")
                for statement, rows in statements:
                    self._writer.executemany(statement, rows)
                self._writer.execute("COMMIT")
            except sqlite3.Error as error:
                if self._writer.in_transaction:
                    self._writer.rollback()
                raise StoreError(str(error)) from error

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """All rows that the statement finds."""
        with self._reading:
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise StoreError(str(error)) from error

    def close(self) -> None:
        """Give both connections back."""
        with self._writing, self._reading:
            self._writer.close()
            self._reader.close()


def _take(file: Path, inbox: Path) -> int:
    """Create the files and lock them, for two routers over one outbox would tell everything twice.

    The lock is a file beside them, which a process that dies gives back. All are for their owner alone: alerts name
    services and say what is wrong with them.
    """
    try:
        for each in (file, inbox):
            os.close(os.open(each, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        lock = os.open(f"{file}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(f"store: {file}: {error.strerror}; allowed: a file in a writable folder") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise ConfigurationError(f"store: {file} is in use by another router; stop it, or name another file") from error
    return lock


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    # SQLAlchemy says BEGIN (below); the sqlite3 module must not add its own.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
