"""``llmtrace router check | test | schema``: is the file right, and do the rules do what they promise."""

from __future__ import annotations

import json
import os
import sys
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmtrace.cli.router.loading import count, extra, load, load_rules
from llmtrace.exceptions import ConfigurationError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from llmtrace.router.config import RouterConfig
    from llmtrace.router.rehearsal import Bundled

MISUSED = 2


def add_parsers(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
) -> list[argparse.ArgumentParser]:
    """Register the commands; returns those that need the rules."""
    checking = commands.add_parser("check", help="say whether the file is right, and what is odd in it")
    checking.add_argument("--json", action="store_true", help="as JSON, for programs")
    checking.add_argument("--strict", action="store_true", help="what is odd is a failure: status 1")
    checking.set_defaults(run=check)
    testing = commands.add_parser("test", help="play alerts through the rules on a virtual clock: who is told, and why")
    testing.add_argument("files", metavar="TESTS", type=Path, nargs="+", help="files of tests: alerts.test.yaml")
    testing.add_argument("--config", metavar="FILE", type=Path, help="the rules, instead of those that the tests name")
    testing.add_argument(
        "--digests", action="store_true", help="print each digest that would be sent, and the next one after the end"
    )
    testing.set_defaults(run=test)
    publishing = commands.add_parser("schema", help="print the JSON Schema of a file or format")
    publishing.add_argument("what", choices=("config", "test", "mapping", "alert"))
    publishing.set_defaults(run=schema)
    return [checking]


def check(arguments: argparse.Namespace) -> int:
    """Read the file as ``serve`` would; print what is wrong, or else what is odd in it."""
    say = _as_json if arguments.json else _in_words
    try:
        config = load(arguments)
    except ConfigurationError as error:
        say(arguments.config, None, error)
        return MISUSED
    say(arguments.config, config, None)
    return 1 if arguments.strict and config.warnings else 0


def _in_words(file: Path, config: RouterConfig | None, error: ConfigurationError | None) -> None:
    if config is None:
        for line in _every(error):
            sys.stderr.write(f"llmtrace: {line}\n")
        return
    for warning in config.warnings:
        print(f"{file.name}:{warning} (warning)")  # noqa: T201 - the command's output
    receivers = count(len(config.receivers), "receiver")
    proven = "each regulated alert opens a ticket" if config.is_proven else "no route is about regulated alerts"
    print(f"{file.name}: ok ({count(config.route_count, 'route')}, {receivers}; {proven})")  # noqa: T201 - the command's output


def _every(error: ConfigurationError | None) -> list[str]:
    """One line for each thing that is wrong."""
    others = getattr(error, "others", ())
    return [getattr(each, "alone", str(each)) for each in (error, *others)]


def _as_json(file: Path, config: RouterConfig | None, error: ConfigurationError | None) -> None:
    said: dict[str, Any] = {"file": file.name, "ok": config is not None, "mistakes": [], "warnings": []}
    if config is None:
        said["mistakes"] = [_mistake(each) for each in (error, *getattr(error, "others", ()))]
    else:
        said["warnings"] = [asdict(warning) for warning in config.warnings]
        said |= {"rules": config.hash, "routes": config.route_count, "receivers": len(config.receivers)}
        said["regulated_proven"] = config.is_proven
    print(json.dumps(said, indent=2))  # noqa: T201 - the command's output


def _mistake(error: Any) -> dict[str, Any]:
    """In the form of a warning; without a place where the file could not be read."""
    return {
        "line": getattr(error, "line", None), "column": getattr(error, "column", None),
        "key": getattr(error, "key", ""), "text": getattr(error, "problem", str(error)),
    }  # fmt: skip


def test(arguments: argparse.Namespace) -> int:
    """Run the tests of every file; 1 where one of them fails.

    Raises:
        ConfigurationError: a file of tests, or the rules, are wrong.
    """
    with extra():
        from llmtrace.router.config.cases import load_cases  # noqa: PLC0415 - behind an extra
        from llmtrace.router.rehearsal import judge, rehearse  # noqa: PLC0415 - behind an extra

    failed = passed = 0
    for file in arguments.files:
        opened, parsed = load_cases(file)
        config = load_rules(arguments.config or file.parent / parsed.rules, {**parsed.environment, **os.environ})
        for index, case in enumerate(parsed.tests):
            rehearsed = rehearse(case, config)
            verdict = judge(case, rehearsed)
            failed, passed = failed + (not verdict.holds), passed + verdict.holds
            line, column = opened.place(("tests", index))
            print(f"{'ok    ' if verdict.holds else 'FAILED'} {file.name}:{line}:{column}: {verdict.name}")  # noqa: T201 - the command's output
            for detail in verdict.lines:
                print(f"    {detail}")  # noqa: T201 - the command's output
            for each in rehearsed.digests if arguments.digests else ():
                print(_sent(each))  # noqa: T201 - the command's output
    print(f"{count(passed, 'test')} passed" + (f", {failed} failed" if failed else ""))  # noqa: T201 - the command's output
    return 1 if failed else 0


def _sent(digest: Bundled) -> str:
    """A mail under a line that says when it would be sent."""
    from llmtrace.router.config import durations  # noqa: PLC0415 - behind an extra

    mail = textwrap.indent(digest.text, "        ")
    return f"    digest for {digest.receiver}, {durations.text(digest.at)} after the start:\n{mail}"


def schema(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema.

    Raises:
        ConfigurationError: the extra is not installed.
    """
    print(json.dumps(dict(_schemas())[arguments.what](), indent=2))  # noqa: T201 - the command's output
    return 0


def _schemas() -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    with extra():
        from llmtrace.router.config.cases import CaseFile  # noqa: PLC0415 - behind an extra
        from llmtrace.router.config.published import mapping_schema, published, router_schema  # noqa: PLC0415 - extra
        from llmtrace.router.intake.generic import GenericAlert  # noqa: PLC0415 - behind an extra
        from llmtrace.router.notifiers import KINDS  # noqa: PLC0415 - behind an extra
    yield "config", lambda: router_schema(KINDS)
    yield "test", lambda: published(CaseFile)
    yield "mapping", mapping_schema
    yield "alert", lambda: published(GenericAlert)
