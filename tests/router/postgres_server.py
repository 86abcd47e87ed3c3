"""Debian's real PostgreSQL on a free port, in a folder of its own; skipped where it is not installed."""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest
import sqlalchemy

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "pg-canary-7f3a9"


UNPACKED = Path(__file__).parents[2] / ".cache/debian/usr/lib"


def _programs() -> Path:
    places = (UNPACKED / "postgresql", Path("/usr/lib/postgresql"))
    found = [path for place in places for path in sorted(place.glob("*/bin"), key=lambda path: int(path.parent.name))]
    if not found:
        pytest.skip("needs the Debian package postgresql: .ci/debian-packages")
    return found[-1]


def _as_its_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.getuid() != 0:
        return []
    return ["runuser", "-u", _user(), "--"]


def _user() -> str:
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _run(*command: str | Path, **more) -> None:
    libraries = ":".join(str(folder) for folder in UNPACKED.glob("*-linux-gnu"))
    environ = {**os.environ, **({"LD_LIBRARY_PATH": libraries} if libraries else {})}
    subprocess.run([*_as_its_user(), *command], check=True, capture_output=True, timeout=120, env=environ, **more)


class PostgresServer:
    """A cluster that lives while the ``with`` block does."""

    def __enter__(self) -> Self:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="llmtrace-pg-"))
        if os.getuid() == 0:
            os.chown(self._folder, pwd.getpwnam(_user()).pw_uid, -1)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        data, secret = self._folder / "data", self._folder / "password"
        _run("sh", "-c", f"echo {PASSWORD} > {secret}")
        _run(self._programs / "initdb", "-A", "scram-sha-256", "-U", "llmtrace", "--pwfile", secret, "-N", "-D", data)
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def start(self) -> None:
        options = f"-c port={self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -F"
        data, log = self._folder / "data", self._folder / "log"
        _run(self._programs / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start", cwd=self._folder)

    def stop(self) -> None:
        """At once, as in a crash."""
        _run(self._programs / "pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop", cwd=self._folder)

    def url(self, name: str = "postgres") -> str:
        return f"postgresql+psycopg://llmtrace:{PASSWORD}@127.0.0.1:{self._port}/{name}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """A new one; its URL."""
        name = f"t{secrets.token_hex(6)}"
        self._do(f"CREATE DATABASE {name}")
        yield self.url(name)
        self._do(f"DROP DATABASE {name} WITH (FORCE)")

    def _do(self, statement: str) -> None:
        engine = sqlalchemy.create_engine(self.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
        engine.dispose()
