"""The setting `spool`: an argument or LLMTRACE_SPOOL -> where spans wait on disk, or None for nowhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from llmtrace.destinations import Spool
from llmtrace.exceptions import ConfigurationError

WRITE_AHEAD: Final = "write-ahead"
_SWITCHES: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
_ALLOWED: Final = "True, False, 'write-ahead', a folder, or llmtrace.Spool(...)"
_LEAST_BYTES: Final = 1024 * 1024


def resolve_spool(asked: object, env: Mapping[str, str]) -> Spool | None:
    """Settle where spans wait on disk; its folder is set where the spool is on.

    Raises:
        ConfigurationError: for what is none of the allowed values.
    """
    setting = "spool"
    if asked is None:
        setting, word = "LLMTRACE_SPOOL", env.get("LLMTRACE_SPOOL", "").strip()
        asked = _SWITCHES.get(word.lower(), word) if word else True
    if isinstance(asked, bool):
        return _with_folder(Spool(), env) if asked and not _under_pytest(env) else None
    if isinstance(asked, str) and asked.strip().lower() == WRITE_AHEAD:
        return _with_folder(Spool(write_ahead=True), env)
    if isinstance(asked, str | Path) and str(asked).strip():
        return _with_folder(Spool(asked), env)
    if isinstance(asked, Spool):
        return _with_folder(_checked(asked, setting), env)
    msg = f"{setting}={asked!r:.80}; allowed: {_ALLOWED}"
    raise ConfigurationError(msg)


def _checked(spool: Spool, setting: str) -> Spool:
    sound = {
        "folder": spool.folder is None or isinstance(spool.folder, str | os.PathLike),
        "write_ahead": isinstance(spool.write_ahead, bool),
        f"max_bytes (at least {_LEAST_BYTES})": type(spool.max_bytes) is int and spool.max_bytes >= _LEAST_BYTES,
        "max_age (seconds above 0)": type(spool.max_age) in (int, float) and spool.max_age > 0,
    }
    for what, is_sound in sound.items():
        if not is_sound:
            msg = f"{setting}={spool!r:.200}: {what} cannot be that; allowed: {_ALLOWED}"
            raise ConfigurationError(msg)
    return spool


def _with_folder(spool: Spool, env: Mapping[str, str]) -> Spool | None:
    if spool.folder is not None:
        return replace(spool, folder=Path(spool.folder).absolute())
    state = env.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # noqa: PTH117 - "" and relative ones are to be ignored, says the XDG specification
        home = env.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises where there is none
        state = f"{home}/.local/state"
    return replace(spool, folder=Path(state) / "llmtrace" / "spool") if state.startswith("/") else None


def _under_pytest(env: Mapping[str, str]) -> bool:
    """Whether this very process runs pytest: tests must not leave spans for the next run. A child of it may."""
    return "_pytest.config" in sys.modules and ("PYTEST_VERSION" in env or "PYTEST_CURRENT_TEST" in env)
