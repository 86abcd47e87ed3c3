"""The ``llmtrace`` command: reads the command line, runs the one command that it names, turns errors into one line.

Each command is a module of its own with ``add_parser(subparsers)``, which sets ``run``: arguments -> exit status.
"""

from __future__ import annotations

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Final

from llmtrace import __version__
from llmtrace._conflicts import warn_of_conflicting_distributions
from llmtrace.cli import collector_config, phoenix, router
from llmtrace.exceptions import ConfigurationError, LlmtraceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OK: Final = 0
FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as a shell counts


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0: done. 1: it did not work. 2: a wrong argument or setting. 130: interrupted by Ctrl-C.
    """
    arguments = parser().parse_args(argv)
    _warn_of_conflicts()
    run: Callable[[argparse.Namespace], int] = arguments.run
    try:
        return run(arguments)
    except ConfigurationError as error:
        return _complain(error, MISUSED)
    except LlmtraceError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """All commands and their arguments."""
    whole = argparse.ArgumentParser(prog="llmtrace", description="Tracing for LLM applications.")
    whole.add_argument("--version", action="version", version=f"llmtrace {__version__}")
    subparsers = whole.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (collector_config, phoenix, router):
        command.add_parser(subparsers)
    return whole


def _warn_of_conflicts() -> None:
    """On stderr in the command's own form, whatever the logging of the process is."""
    logger = logging.getLogger("llmtrace")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("llmtrace: %(message)s"))
    logger.addHandler(handler)
    try:
        warn_of_conflicting_distributions()
    finally:
        logger.removeHandler(handler)


def _complain(error: LlmtraceError, status: int) -> int:
    sys.stderr.write(f"llmtrace: {error}\n")
    return status
