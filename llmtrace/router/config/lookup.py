"""A lookup file: labels and annotations for alerts that lack them, such as the team of a service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config import document
from llmtrace.router.config.document import Document
from llmtrace.router.config.schema import OneMatcher
from llmtrace.router.config.settings import LookupRow
from llmtrace.router.config.strict import Strict, wrong
from llmtrace.router.config.validation import read_text, validate
from llmtrace.router.model import ALERTNAME, SEVERITY, SOURCE

_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_SAID: Final = (ALERTNAME, SEVERITY, SOURCE)


def _label(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or value in _SAID:
        raise wrong(f"no label that can be given; allowed: letters, digits and _, and none of {', '.join(_SAID)}")
    return value


class LookupEntry(Strict):
    """What alerts that match get, as far as they lack it."""

    matchers: Annotated[list[OneMatcher], Field(min_length=1)] = Field(description="which alerts; all must hold")
    labels: dict[Annotated[str, BeforeValidator(_label)], str] = Field(
        default_factory=dict, description="labels, such as `team` or `segment_tenant`"
    )
    annotations: dict[str, str] = Field(default_factory=dict, description="annotations, such as `runbook_url`")


class LookupFile(Strict):
    """The whole file. Every entry that matches counts; of two that say the same the first."""

    version: Literal[1] = Field(description="`1`")
    entries: list[LookupEntry] = Field(description="the entries")


def lookup(opened: Document, file: Path, name: str | None) -> tuple[LookupRow, ...]:
    """The entries of the file that ``enrich.lookup`` names.

    Raises:
        ConfigurationError: for what is wrong in it.
    """
    if name is None:
        return ()
    try:
        text = read_text(file.parent / name)
    except ConfigurationError as error:
        raise opened.error(("enrich", "lookup"), str(error)) from error
    found = document.read(name, text, {})
    parsed: LookupFile = validate(found, (), LookupFile, found.data)
    return tuple(LookupRow(tuple(each.matchers), each.labels, each.annotations) for each in parsed.entries)
