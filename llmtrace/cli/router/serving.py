"""``llmtrace router serve``: runs the router until it is stopped."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from llmtrace.cli.router.loading import count, load

if TYPE_CHECKING:
    import argparse

    from llmtrace.router.config import RouterConfig


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> list[argparse.ArgumentParser]:
    """Register the command; returns those that need the rules."""
    parser = commands.add_parser("serve", help="accept alerts, route and deliver them until stopped")
    parser.add_argument("--listen", metavar="HOST:PORT", help="wins over the file; port 0 picks a free one")
    parser.set_defaults(run=serve)
    return [parser]


def serve(arguments: argparse.Namespace) -> int:
    """Run the router until SIGTERM or SIGINT.

    Raises:
        ConfigurationError: the file, the address or the store cannot be used.
    """
    config = _load(arguments)
    from llmtrace.router.app import serve as run_router  # noqa: PLC0415 - behind an extra

    logging.basicConfig(format="router: %(levelname)s %(message)s", level=logging.WARNING, stream=sys.stderr)
    for warning in config.warnings:
        logging.getLogger(__name__).warning("%s:%s", arguments.config.name, warning)
    what = f"({arguments.config.name}, {count(config.route_count, 'route')})"
    announce = lambda url: print(f"router: listening on {url} {what}", flush=True)  # noqa: E731, T201 - the command's output
    run_router(config, announce, lambda: _load(arguments))
    return 0


def _load(arguments: argparse.Namespace) -> RouterConfig:
    """The rules, with the commit that they are."""
    config = load(arguments)
    from llmtrace.router.config.revision import revision_of  # noqa: PLC0415 - behind an extra

    return replace(config, revision=revision_of(arguments.config))
