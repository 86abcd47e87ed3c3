"""PostgreSQL: one router for each database, by an advisory lock. PostgreSQL's own words live here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.ports import StoreError
from llmtrace.router.store.backend import JSON_CODEC, LATEST_FIRST

SCHEME: Final = "postgresql+psycopg://"
_LOCK: Final = 0x6C6C6D7472616365
""""llmtrace", as a number."""
_INBOX: Final = (
    "CREATE TABLE IF NOT EXISTS inbox "
    "(id bigint PRIMARY KEY, received_at bigint NOT NULL, alerts integer NOT NULL, body bytea NOT NULL)"
)
_REFUSE: Final = (
    "CREATE OR REPLACE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN IF TG_OP = 'DELETE' AND OLD.id <= coalesce(({above}), 0) THEN RETURN OLD; END IF; "
    "RAISE EXCEPTION '{table} is append-only'; END $$"
)
_APPEND_ONLY: Final = (
    "CREATE OR REPLACE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
    "FOR EACH ROW EXECUTE FUNCTION {table}_refuse()"
)


class PostgresBackend:
    """A database on a server."""

    def __init__(self, url: str) -> None:
        self.name = make_url(url).render_as_string(hide_password=True)
        self.engine = create_engine(
            url, isolation_level="REPEATABLE READ", pool_pre_ping=True, pool_use_lifo=LATEST_FIRST, **JSON_CODEC
        )
        plain = create_engine(url, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
        try:
            self._lock = plain.connect()
            taken = self._lock.exec_driver_sql("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).scalar()
            self._lock.exec_driver_sql(_INBOX)
        except (DBAPIError, ModuleNotFoundError) as error:
            why = str(error.orig).strip().partition("\n")[0] if isinstance(error, DBAPIError) else str(error)
            raise ConfigurationError(f"store: {self.name} is no database that can be used: {why}") from error
        if not taken:
            self.close()
            raise ConfigurationError(f"store: {self.name} is in use by another router; stop it, or name another")
        self.inbox = PostgresRows(url)

    def append_only(self, table: str, above: str) -> Sequence[str]:
        """A trigger and its function."""
        return [_REFUSE.format(table=table, above=above), _APPEND_ONLY.format(table=table)]

    def close(self) -> None:
        """Give all connections back, and with them the lock."""
        self._lock.close()
        self._lock.engine.dispose()
        self.engine.dispose()
        if hasattr(self, "inbox"):
            self.inbox.close()


class PostgresRows:
    """Each call takes a connection of its own from a small pool."""

    mark = "%s"
    near = False

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url, pool_pre_ping=True)

    def make_room(self) -> None:
        """The server looks after itself."""

    def write(self, *statements: tuple[str, Sequence[tuple[Any, ...]]]) -> None:
        """In one transaction."""
        try:
            with self._engine.begin() as connection:
                for statement, rows in statements:
                    connection.exec_driver_sql(statement, list(rows))
        except DBAPIError as error:
            raise StoreError(str(error.orig)) from error.orig

    def read(self, statement: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """All rows that the statement finds."""
        try:
            with self._engine.connect() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(statement, parameters)]
        except DBAPIError as error:
            raise StoreError(str(error.orig)) from error.orig

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()
