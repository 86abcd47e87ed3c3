"""The mappings that come with the router: one file a tool in ``mappings/``, as a user would write it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from llmtrace.router.config import document
from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.config.validation import validate


@cache
def mapping_of(tool: str) -> AlertMapping:
    """Where the fields of this tool's alerts stand."""
    name = f"{tool}.yaml"
    opened = document.read(name, files(__package__).joinpath("mappings", name).read_text(encoding="utf-8"), {})
    mapping: AlertMapping = validate(opened, (), AlertMapping, opened.data)
    return mapping
