"""JSON Schema of ``alerts.yaml`` and of mapping files, for editors: what the router itself checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from llmtrace.router.config.mapping import AlertMapping
from llmtrace.router.config.schema import RouterFile
from llmtrace.router.ports import NotifierKind

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def router_schema(kinds: Mapping[str, NotifierKind]) -> dict[str, Any]:
    """Of the whole file, each notifier's settings included."""
    schema = RouterFile.model_json_schema()
    definitions = schema["$defs"]
    notifiers = {}
    for name, kind in kinds.items():
        settings = kind.settings.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= settings.pop("$defs", {})
        notifiers[name] = settings
    receiver = {"type": "object", "properties": notifiers, "additionalProperties": False, "minProperties": 1}
    schema["properties"]["receivers"] = {"type": "object", "additionalProperties": receiver, "minProperties": 1}
    return {"$schema": _DRAFT, **schema, "required": ["version", "receivers"]}


def mapping_schema() -> dict[str, Any]:
    """Of a mapping file."""
    return published(AlertMapping)


def published(model: type[BaseModel]) -> dict[str, Any]:
    """Of any model."""
    return {"$schema": _DRAFT, **model.model_json_schema()}
