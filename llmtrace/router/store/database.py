"""The database file: what was committed is on disk, and one writes at a time. SQLite's own words live here."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.ports import StoreError
from llmtrace.router.store import schema

_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=5000", "foreign_keys=ON")

_APPEND_ONLY: Final = (
    "CREATE TRIGGER IF NOT EXISTS {table}_no_{change} BEFORE {change} ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
)


class Database:
    """Transactions over a file. Threads may share it."""

    def __init__(self, file: Path) -> None:
        self._lock = _take(file)
        self._engine = create_engine(URL.create("sqlite", database=str(file)))
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        self._writing = threading.Lock()
        try:
            self._set_up(file)
        except StoreError as error:
            self.close()
            raise ConfigurationError(f"store: {file} is no database that can be used: {error.__cause__}") from error
        except ConfigurationError:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may change something. Writers of this process queue here, not at SQLite's busy timer.

        Raises:
            StoreError: the database failed; the transaction is undone.
        """
        with self._writing, self._connect() as connection, connection.execution_options(writes=True).begin():
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state, beside any writer.

        Raises:
            StoreError: the database failed.
        """
        with self._connect() as connection, connection.begin():
            yield connection

    @property
    def link_key(self) -> bytes:
        """What links in messages are signed with: made once, and never shown."""
        with self.read() as connection:
            return bytes.fromhex(str(connection.scalar(select(schema.about.c.link_key))))

    def close(self) -> None:
        """Give all connections back, and the file to the next router."""
        self._engine.dispose()
        os.close(self._lock)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            # Without the statement: its parameters are what senders wrote.
            raise StoreError(str(error.orig)) from error.orig

    def _set_up(self, file: Path) -> None:
        with self.write() as connection:
            schema.metadata.create_all(connection)
            for table in ("audit", "decisions"):
                for change in ("UPDATE", "DELETE"):
                    connection.exec_driver_sql(_APPEND_ONLY.format(table=table, change=change))
            version = connection.scalar(select(schema.about.c.version))
            if version is None:
                key = secrets.token_hex(32)
                connection.execute(insert(schema.about).values(version=schema.VERSION, link_key=key))
            elif version != schema.VERSION:
                problem = f"is of schema version {version}; this llmtrace uses {schema.VERSION}: name another file"
                raise ConfigurationError(f"store: {file} {problem}")


@contextmanager
def reading(file: Path) -> Iterator[Connection]:
    """One state of a database that a router may be writing to; nothing is changed and nothing locked.

    Raises:
        ConfigurationError: there is no database of a router that can be read.
    """
    engine = create_engine(
        URL.create("sqlite", database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})
    )
    try:
        with engine.connect() as connection:
            version = connection.scalar(select(schema.about.c.version))
            if version != schema.VERSION:
                raise ConfigurationError(f"store: {file} is of schema version {version}; allowed: {schema.VERSION}")
            yield connection
    except DBAPIError as error:
        raise ConfigurationError(f"store: {file} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()


def _take(file: Path) -> int:
    """Create the file and lock it, for two routers over one outbox would tell everything twice.

    The lock is a file beside it, which a process that dies gives back. Both are for their owner alone: alerts name
    services and say what is wrong with them.
    """
    try:
        os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
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


def _begin(connection: Connection) -> Any:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
