"""What the router's commands share: the rules are read, and a missing extra is said in one line."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from llmtrace.exceptions import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from llmtrace.router.config import RouterConfig


def load(arguments: argparse.Namespace) -> RouterConfig:
    """The rules that ``--config`` names, under this process's environment.

    Raises:
        ConfigurationError: for what is wrong in them, or the extra that is not installed.
    """
    return load_rules(arguments.config, os.environ, getattr(arguments, "listen", None))


def load_rules(file: Path, environ: Mapping[str, str], listen: str | None = None) -> RouterConfig:
    """Rules from a file.

    Raises:
        ConfigurationError: for what is wrong in them, or the extra that is not installed.
    """
    with extra():
        from llmtrace.router.config import load as load_config  # noqa: PLC0415 - behind an extra
        from llmtrace.router.notifiers import KINDS  # noqa: PLC0415 - behind an extra
    return load_config(file, environ, KINDS, listen)


@contextlib.contextmanager
def extra() -> Iterator[None]:
    """What is imported here comes with the extra; without it the error says what to install."""
    try:
        yield
    except ModuleNotFoundError as error:
        problem = f"llmtrace router needs the package {error.name!r}: pip install 'llmtrace-otel[router]'"
        raise ConfigurationError(problem) from error


def count(number: int, what: str) -> str:
    """``1 route``, ``2 routes``."""
    return f"{number} {what}{'s' * (number != 1)}"
