"""``llmtrace router serve|check``: runs the router from a file, or says whether the file is right."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from llmtrace.exceptions import ConfigurationError

if TYPE_CHECKING:
    from llmtrace.router.config import RouterConfig


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``router`` and its commands; each sets ``run``: arguments -> exit status."""
    router = subparsers.add_parser("router", help="decide who is told about alerts (extra: router)")
    commands = router.add_subparsers(required=True, metavar="COMMAND")
    serving = commands.add_parser("serve", help="accept alerts, route and deliver them until stopped")
    serving.add_argument("--listen", metavar="HOST:PORT", help="wins over the file; port 0 picks a free one")
    serving.set_defaults(run=serve)
    checking = commands.add_parser("check", help="say whether the file is right, and what is odd in it")
    checking.set_defaults(run=check, listen=None)
    for parser in (serving, checking):
        parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the rules: alerts.yaml")


def serve(arguments: argparse.Namespace) -> int:
    """Run the router until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the file, the address or the store cannot be used.
    """
    config = _load(arguments)
    from llmtrace.router.app import serve as run_router  # noqa: PLC0415 - behind an extra

    logging.basicConfig(format="router: %(levelname)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    for warning in config.warnings:
        logging.getLogger(__name__).warning("%s: %s", arguments.config.name, warning)
    what = f"({arguments.config.name}, {_routes(config)})"
    run_router(config, lambda url: print(f"router: listening on {url} {what}", flush=True))  # noqa: T201 - the command's output
    return 0


def check(arguments: argparse.Namespace) -> int:
    """Read the file as ``serve`` would, and print what is odd in it.

    Raises:
        ConfigurationError: for the first thing that is wrong.
    """
    config = _load(arguments)
    for warning in config.warnings:
        print(f"{arguments.config.name}: warning: {warning}")  # noqa: T201 - the command's output
    receivers = len(config.receivers)
    print(f"{arguments.config.name}: ok ({_routes(config)}, {receivers} receiver{'s' * (receivers != 1)})")  # noqa: T201 - the command's output
    return 0


def _load(arguments: argparse.Namespace) -> RouterConfig:
    try:
        from llmtrace.router.config import load  # noqa: PLC0415 - behind an extra
        from llmtrace.router.notifiers import KINDS  # noqa: PLC0415 - behind an extra
    except ModuleNotFoundError as error:
        problem = f"llmtrace router needs the package {error.name!r}: pip install 'llmtrace-otel[router]'"
        raise ConfigurationError(problem) from error
    return load(arguments.config, os.environ, KINDS, arguments.listen)


def _routes(config: RouterConfig) -> str:
    return f"{config.route_count} route{'s' * (config.route_count != 1)}"
