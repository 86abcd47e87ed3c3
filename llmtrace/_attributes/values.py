"""Inputs, outputs and tools -> text attributes."""

from __future__ import annotations

from typing import Final

from llmtrace._attributes.budget import each
from llmtrace._attributes.fields import Attributes, listed
from llmtrace._values.serialize import to_json
from llmtrace.semconv import trace as keys

_MOST_TOOLS: Final = 256
"""Tools that are recorded; providers take 128 at most."""


def put_value(into: Attributes, value_key: str, mime_key: str, value: object) -> None:
    """An input or output of any kind as text, with its MIME type."""
    if type(value) is str:
        into[value_key] = value
        into[mime_key] = keys.MIME_TEXT
    elif issubclass(type(value), str):
        into[value_key] = str.__str__(value)
        into[mime_key] = keys.MIME_TEXT
    elif value is not None:
        into[value_key] = to_json(value)
        into[mime_key] = keys.MIME_JSON


def put_tools(into: Attributes, tools: object) -> None:
    """The tools offered to a model, each as its JSON schema: ``llm.tools.<i>.tool.json_schema``."""
    for index, tool in enumerate(each(listed(tools), _MOST_TOOLS)):
        key = f"{keys.LLM_TOOLS}.{index}.{keys.TOOL_JSON_SCHEMA}"
        into[key] = str.__str__(tool) if issubclass(type(tool), str) else to_json(tool)
