"""The database: transactions over whatever product holds it, one writer at a time, and its tables set up."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, insert, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.ports import StoreError, UnfitError
from llmtrace.router.store import schema
from llmtrace.router.store.backend import Backend
from llmtrace.router.store.inbox import Inbox
from llmtrace.router.store.postgresql import SCHEME, PostgresBackend
from llmtrace.router.store.sqlite import SqliteBackend
from llmtrace.router.store.statement import get_ready

_OF_THE_DATA: Final = (DataError, IntegrityError, ProgrammingError)
"""A locked database, a full disk and a lost connection are none of these."""


class Database:
    """Transactions over a store: a file, or the URL of a PostgreSQL database. Threads may share it."""

    def __init__(self, store: str | Path) -> None:
        self._backend: Backend = (
            PostgresBackend(str(store)) if str(store).startswith(SCHEME) else SqliteBackend(Path(store))
        )
        self._engine = self._backend.engine
        self._writing = threading.Lock()
        try:
            self._set_up()
            self.inbox = Inbox(self._backend.inbox, self._inbox_done)
        except StoreError as error:
            self.close()
            problem = f"store: {self._backend.name} is no database that can be used: {error.__cause__}"
            raise ConfigurationError(problem) from error
        except ConfigurationError:
            self.close()
            raise

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may change something. Writers of this process queue here, not at the database's timer.

        Raises:
            StoreError: the database failed; the transaction is undone.
        """
        with self._writing, self._connect() as connection, connection.execution_options(writes=True).begin():
            yield connection

    @contextmanager
    def trial(self) -> Iterator[Connection]:
        """The same, and in the end nothing is changed."""
        with self._writing, self._connect() as connection:
            connection.execution_options(writes=True).begin()
            yield connection  # given back without a commit

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state, beside any writer.

        Raises:
            StoreError: the database failed.
        """
        with self._connect() as connection, connection.begin():
            yield connection

    def get_ready(self) -> None:
        """Get ready for many alerts, and for a quick answer to the first."""
        self.inbox.make_room()
        get_ready(self._engine.dialect)

    @property
    def link_key(self) -> bytes:
        """What links in messages are signed with: made once, and never shown."""
        with self.read() as connection:
            return bytes.fromhex(str(connection.scalar(select(schema.about.c.link_key))))

    def close(self) -> None:
        """Give all connections back, and the database to the next router."""
        self._backend.close()

    @property
    def _inbox_done(self) -> int:
        with self.read() as connection:
            return int(connection.scalar(select(schema.about.c.inbox_done)) or 0)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            # Without the statement: its parameters are what senders wrote.
            kind = UnfitError if isinstance(error, _OF_THE_DATA) else StoreError
            raise kind(str(error.orig)) from error.orig
        except self._engine.dialect.loaded_dbapi.Error as error:
            kind = UnfitError if isinstance(error, _of_the_data(self._engine.dialect.loaded_dbapi)) else StoreError
            raise kind(str(error)) from error

    def _set_up(self) -> None:
        with self.write() as connection:
            schema.metadata.create_all(connection)
            for table, above in schema.APPEND_ONLY.items():
                for statement in self._backend.append_only(table, above):
                    connection.exec_driver_sql(statement)
            version = connection.scalar(select(schema.about.c.version))
            if version is None:
                key = secrets.token_hex(32)
                connection.execute(insert(schema.about).values(version=schema.VERSION, link_key=key))
            elif version != schema.VERSION:
                problem = f"is of schema version {version}; this llmtrace uses {schema.VERSION}: name another file"
                raise ConfigurationError(f"store: {self._backend.name} {problem}")


def _of_the_data(driver: Any) -> tuple[type[Exception], ...]:
    """The same, as the driver itself calls them."""
    return tuple(getattr(driver, kind.__name__) for kind in _OF_THE_DATA)


@contextmanager
def reading(store: str | Path) -> Iterator[Connection]:
    """One state of a database that a router may be writing to; nothing is changed and nothing locked.

    Raises:
        ConfigurationError: there is no database of a router that can be read.
    """
    is_file = not str(store).startswith(SCHEME)
    read_only = {"mode": "ro", "uri": "true"}
    url = URL.create("sqlite", database=f"file:{quote(str(store))}", query=read_only) if is_file else str(store)
    engine = create_engine(url)
    name = str(store) if is_file else engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            version = connection.scalar(select(schema.about.c.version))
            if version != schema.VERSION:
                raise ConfigurationError(f"store: {name} is of schema version {version}; allowed: {schema.VERSION}")
            yield connection
    except DBAPIError as error:
        raise ConfigurationError(f"store: {name} cannot be read: {error.orig}") from error
    finally:
        engine.dispose()
