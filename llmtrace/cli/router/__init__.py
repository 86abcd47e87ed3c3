"""``llmtrace router ...``: the router's commands, one module a family; each sets ``run``: arguments -> exit status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from llmtrace.cli.router import acting, reading, rolling, rules, serving

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register ``router`` and its commands."""
    router = subparsers.add_parser("router", help="decide who is told about alerts (extra: router)")
    commands = router.add_subparsers(required=True, metavar="COMMAND")
    needing_rules = [
        parser for family in (serving, rules, rolling, reading, acting) for parser in family.add_parsers(commands)
    ]
    for parser in needing_rules:
        parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the rules: alerts.yaml")
