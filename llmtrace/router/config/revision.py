"""Which commit of git the rules are, where they are kept in one: what the audit trail binds their hash to."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

CHANGED: Final = "+changes"
"""After the commit, where the file is not as it was committed."""
_PATIENCE: Final = 5
_QUIET: Final = ("-c", "core.fsmonitor=false", "-c", "core.untrackedCache=false")


def revision_of(file: Path) -> str:
    """The commit, short; empty where git does not keep the file, or is not there."""
    if _git(file, "ls-files", "--error-unmatch", "--", file.name) is None:
        return ""
    commit, changes = (
        _git(file, "rev-parse", "--short=12", "HEAD"),
        _git(file, "status", "--porcelain", "--", file.name),
    )
    if commit is None:
        return ""
    return commit + (CHANGED if changes != "" else "")


def _git(file: Path, *arguments: str) -> str | None:
    command = ["git", *_QUIET, *arguments]
    environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        ended = subprocess.run(  # noqa: S603 - our own words and a file's name after "--"
            command, cwd=file.parent, env=environ, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except (OSError, subprocess.SubprocessError, UnicodeDecodeError):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None
