"""Warn where another distribution that also imports as ``llmtrace`` is installed beside ours.

Two such distributions write into the same folder of the environment, and whichever was installed last wins, file by
file. Called at start (``init_tracing`` and the command), never at import.
"""

from __future__ import annotations

import functools
import importlib.metadata
import logging
from typing import Final

OTHERS: Final = ("llmtrace", "llmtrace-sdk")
"""Other distributions that install a package named ``llmtrace``; ours is ``llmtrace-otel``."""

_log = logging.getLogger("llmtrace")


def conflicting_distributions() -> tuple[str, ...]:
    """Which of the others are installed, in the order of ``OTHERS``."""
    return tuple(name for name in OTHERS if _is_installed(name))


@functools.cache
def warn_of_conflicting_distributions() -> None:
    """Log one warning where one of the others is installed; at most one in the life of the process."""
    names = conflicting_distributions()
    if names:
        _log.warning(
            "%s also imports as 'llmtrace' and is installed beside llmtrace-otel: "
            "uninstall it, then reinstall llmtrace-otel",
            " and ".join(names),
        )


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
