"""`docs/reference/commands.md`, from the command line's own help. `python tests/command_reference.py` writes it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from llmtrace.cli import parser

PAGE = Path(__file__).parent.parent / "docs/reference/commands.md"
_HEAD = """# Commands

What `llmtrace COMMAND --help` prints, in one place. `llmtrace phoenix` wants the extra `phoenix`, `llmtrace router` the
extra `router`. Exit status: 0 done, 1 it did not work, 2 a wrong argument or setting, 130 interrupted.
"""


def written() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections(parser(), "llmtrace")])


def _sections(command: argparse.ArgumentParser, name: str) -> Iterator[str]:
    """A section for each command that can be run, in the order of the help."""
    families = [action for action in command._actions if isinstance(action, argparse._SubParsersAction)]
    if not families:
        yield _section(command, name)
    for family in families:
        said = {choice.dest.split(" ")[0]: choice.help or "" for choice in family._choices_actions}
        for word, short in said.items():
            inner = family.choices[word]
            inner.description = inner.description or short
            yield from _sections(inner, f"{name} {word}")


def _section(command: argparse.ArgumentParser, name: str) -> str:
    lines = [
        f"## `{name}`",
        "",
        _sentence(command.description or ""),
        "",
        "| argument | meaning | default |",
        "|---|---|---|",
    ]
    formatter = command._get_formatter()
    lines += [_row(action, formatter) for action in command._actions if not isinstance(action, argparse._HelpAction)]
    return "\n".join(lines[: -2 if lines[-1].startswith("|---") else None]) + "\n"


def _row(action: argparse.Action, formatter: argparse.HelpFormatter) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    value = f"`{str(value).replace('|', '` or `')}`"
    names = ", ".join(f"`{option}`" for option in action.option_strings)
    if action.nargs != 0:
        names = f"{names} {value}".strip()
    meaning = formatter._expand_help(action) if action.help else ""
    meaning, _, default = meaning.partition("default: ")  # the help says it where it is not plain
    must = action.required and action.nargs not in ("?", "*")
    default = "must be given" if must else f"`{default.rstrip(')')}`" if default else "none"
    return f"| {names} | {meaning.rstrip('( ').replace('|', chr(92) + '|')} | {default} |"


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if not text else text[0].upper() + text[1:] + ("" if text.endswith(".") else ".")


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
