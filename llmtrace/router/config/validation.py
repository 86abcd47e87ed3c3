"""Reads a file and holds its data to a model: each mistake is one line with its place, the first with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from llmtrace.exceptions import ConfigurationError
from llmtrace.router.config.document import Document, Location, MistakeError

_PROBLEMS: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = MappingProxyType(
    {
        "missing": lambda _: "missing; it must be set",
        "string_type": lambda _: "not text; allowed: a string",
        "list_type": lambda _: "not a list",
        "dict_type": lambda _: "not a mapping",
        "enum": lambda context: f"not allowed; allowed: {context['expected']}",
        "literal_error": lambda context: f"not allowed; allowed: {context['expected']}",
        "string_pattern_mismatch": lambda context: f"not of the form that it must have; allowed: {context['pattern']}",
        "llmtrace": lambda context: str(context["problem"]),
    }
)


def read_text(file: Path) -> str:
    """The text of a file.

    Raises:
        ConfigurationError: where it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{file}: not UTF-8 text, byte {error.start}") from error


def validate(opened: Document, prefix: Location, model: type[BaseModel], data: Any) -> Any:
    """The data of a document, or the part of it at ``prefix``, as this model.

    Raises:
        ConfigurationError: for the first thing that is wrong.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise _first(opened, prefix, error) from error


def _first(opened: Document, prefix: Location, error: ValidationError) -> MistakeError:
    first, *others = (_mistake(opened, prefix, each) for each in error.errors(include_url=False, include_input=False))
    first.others = tuple(others)
    return first


def _mistake(opened: Document, prefix: Location, found: Mapping[str, Any]) -> MistakeError:
    context = found.get("ctx", {})
    say = _PROBLEMS.get(found["type"])
    problem = say(context) if say is not None else f"not allowed: {found['msg']}"
    location = (*prefix, *found["loc"], *([context["key"]] if "key" in context else []))
    about_key = "key" in context or found["type"] == "missing"
    return opened.error(location, problem, about_key=about_key)
