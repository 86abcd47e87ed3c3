"""A local Phoenix with safe settings, as a process of its own that ends with the one that started it.

Not a supervisor: a Phoenix that dies stays dead, and ``RunningPhoenix`` says so.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Final, Self

from llmtrace._connection import Connection, UnreachableError
from llmtrace.backends.phoenix.ports import hold_port
from llmtrace.exceptions import ConfigurationError, LlmtraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 6006
DEFAULT_GRPC_PORT: Final = 4317

_LOG_NAME: Final = "phoenix.log"
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 16_384
_POLL: Final = 0.1  # seconds between two questions whether it is healthy
_CHILD: Final = Path(__file__).with_name("_child.py")

_SAFE: Final = MappingProxyType(
    {
        "PHOENIX_HOST": HOST,
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        "PHOENIX_AGENTS_DISABLE_BASH": "true",
        "PHOENIX_ENABLE_MCP_SERVER": "false",
        "PHOENIX_LOG_MIGRATIONS": "false",
        "PHOENIX_DISCOVER_CONFIG": "false",
        "PYTHONUNBUFFERED": "1",
    }
)


@dataclass(frozen=True, slots=True)
class PhoenixSettings:
    """Where a local Phoenix listens and keeps its data. A port of 0 means any free one."""

    working_dir: Path
    port: int = DEFAULT_PORT
    grpc_port: int = DEFAULT_GRPC_PORT


def default_working_dir(environment: Mapping[str, str]) -> Path:
    """``$XDG_STATE_HOME/llmtrace/phoenix``, by default in ``~/.local/state``.

    Raises:
        ConfigurationError: neither the variable nor a home folder is known (a container's nameless user).
    """
    state = Path(environment.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():  # so the XDG specification wants it
        state = _home() / ".local" / "state"
    return state / "llmtrace" / "phoenix"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:
        raise ConfigurationError(
            "working-dir: this user has no home folder; allowed: a folder that you name, or set XDG_STATE_HOME"
        ) from None


class RunningPhoenix:
    """A Phoenix that answers. As a context manager it stops at the end of the block.

    Attributes:
        base_url: its page, its REST API and (under ``/v1/traces``) where spans go.
        grpc_port: where it takes OTLP over gRPC, on **all** interfaces: Phoenix has no setting for that.
        log_file: what it prints; begins anew with each start.
    """

    def __init__(self, process: subprocess.Popen[bytes], port: int, grpc_port: int, log_file: Path) -> None:
        self._process = process
        self.base_url = f"http://{HOST}:{port}"
        self.grpc_port = grpc_port
        self.log_file = log_file

    @property
    def pid(self) -> int:
        """The number of its process."""
        return self._process.pid

    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def failure(self) -> LlmtraceError:
        """What to raise when it has ended by itself: its exit status and the tail of its log."""
        return _failure(f"Phoenix ended with status {self._process.poll()}", self.log_file)

    def stop(self, grace: float = 10.0) -> None:
        """Stop it: politely, and after ``grace`` seconds by force. Again does nothing.

        Phoenix takes up to 5 seconds to store what it has accepted, so a shorter grace may lose spans.
        """
        _stop(self._process, grace)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start_phoenix(
    settings: PhoenixSettings, *, deadline: float = 120.0, on_wait: Callable[[float], None] | None = None
) -> RunningPhoenix:
    """Start a local Phoenix and wait until it is healthy (8 to 25 seconds are usual).

    None of the caller's ``PHOENIX_*`` variables reach it: one of them may name a database in production.

    Args:
        settings: its ports and its folder.
        deadline: seconds until giving up.
        on_wait: called while waiting, about ten times a second, with the seconds waited so far. What it
            raises ends the start, and leaves no process behind.

    Raises:
        ConfigurationError: a port is taken, the folder cannot be written, or the extra is not installed.
        LlmtraceError: it ended or did not answer in time; the message ends with the tail of its log.
    """
    _require_extra()
    with (
        hold_port("port", settings.port, loopback=True) as http,
        hold_port("grpc-port", settings.grpc_port, loopback=False) as grpc,
    ):
        if http.number == grpc.number:
            raise ConfigurationError(f"grpc-port: {grpc.number} is the HTTP port already; allowed: another one")
        folder = _prepare(settings.working_dir)
        log_file = folder / _LOG_NAME
        process = _spawn(_environment(folder, http.number, grpc.number), folder, log_file)
        phoenix = RunningPhoenix(process, http.number, grpc.number, log_file)
        try:
            _await_health(phoenix, process, deadline, on_wait)
        except BaseException:
            phoenix.stop(grace=2.0)
            raise
    return phoenix


def _require_extra() -> None:
    try:
        importlib.metadata.distribution("arize-phoenix")
    except importlib.metadata.PackageNotFoundError:
        raise ConfigurationError(
            "phoenix: it is not installed here; allowed: pip install 'llmtrace-otel[phoenix]'"
        ) from None


def _prepare(working_dir: Path) -> Path:
    """The folder, made where it is missing and private to the user: prompts and answers are stored in it."""
    try:
        folder = working_dir.expanduser().absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / _LOG_NAME).write_bytes(b"")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(
            f"working-dir: cannot write to {str(working_dir)!r}: {reason}; allowed: a folder that you may write to"
        ) from None
    return folder


def _environment(folder: Path, port: int, grpc_port: int) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("PHOENIX_")}
    ours = {
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc_port),
    }
    return {**inherited, **_SAFE, **ours}


def _spawn(environment: Mapping[str, str], folder: Path, log_file: Path) -> subprocess.Popen[bytes]:
    # -P: neither the folder of _child.py nor the working folder may stand before the real `phoenix` on the path.
    # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop Phoenix in order.
    with log_file.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  (our own interpreter and our own file)
            [sys.executable, "-P", str(_CHILD)],
            env=environment,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _await_health(
    phoenix: RunningPhoenix,
    process: subprocess.Popen[bytes],
    deadline: float,
    on_wait: Callable[[float], None] | None,
) -> None:
    started = time.monotonic()
    # trust_env: a proxy in the environment is not for loopback.
    with Connection(phoenix.base_url, trust_env=False, timeout=5.0) as client:
        while not _is_healthy(client, phoenix):
            waited = time.monotonic() - started
            if process.poll() is not None:
                raise phoenix.failure()
            if waited > deadline:
                raise _failure(f"Phoenix did not answer within {deadline:.0f} s", phoenix.log_file)
            if on_wait is not None:
                on_wait(waited)
            time.sleep(_POLL)
    if process.poll() is not None:
        raise phoenix.failure()


def _is_healthy(client: Connection, phoenix: RunningPhoenix) -> bool:
    try:
        return client.request("GET", f"{phoenix.base_url}/healthz").is_success
    except (UnreachableError, OSError, HTTPException):
        return False


def _stop(process: subprocess.Popen[bytes], grace: float) -> None:
    process.terminate()  # does nothing where it has ended and been waited for
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        if process.stdin is not None:
            process.stdin.close()


def _failure(what: str, log_file: Path) -> LlmtraceError:
    tail = "".join(f"\n  {line}" for line in _tail(log_file))
    return LlmtraceError(f"{what}; the end of {log_file}:{tail}" if tail else f"{what}; {log_file} is empty")


def _tail(log_file: Path) -> list[str]:
    try:
        with log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode(errors="replace").rstrip().splitlines()[-_TAIL_LINES:]
    except OSError:
        return []
