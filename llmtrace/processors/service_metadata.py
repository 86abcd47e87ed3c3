"""Service name, version and environment into `metadata`: Phoenix keeps no resource attribute but the project."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource

from llmtrace._record import SpanRecord
from llmtrace._values.serialize import to_json
from llmtrace.semconv import trace as keys


def service_metadata(resource: Resource) -> Callable[[SpanRecord], SpanRecord]:
    """The step that adds what `resource` says of the service; the user's own metadata keys win."""
    service = _service(resource.attributes)
    alone = to_json(service)

    def add_service_metadata(record: SpanRecord) -> SpanRecord:
        present = record.attributes.get(keys.METADATA)
        text = alone if present is None else _joined(service, present)
        return record if text is None else record.with_attributes({**record.attributes, keys.METADATA: text})

    return add_service_metadata


def _service(attributes: Mapping[str, Any]) -> dict[str, Any]:
    environment = attributes.get(keys.ENVIRONMENT, attributes.get(keys.ENVIRONMENT_LEGACY))
    found = {
        keys.SERVICE_NAME: attributes.get(keys.SERVICE_NAME),
        keys.SERVICE_VERSION: attributes.get(keys.SERVICE_VERSION),
        keys.ENVIRONMENT: environment,
    }
    return {key: value for key, value in found.items() if value is not None}


def _joined(service: dict[str, Any], present: object) -> str | None:
    """The user's metadata with ours added; None where it is no JSON object and so must stay as it is."""
    try:
        parsed = json.loads(present) if isinstance(present, str) else None
    except (ValueError, RecursionError):
        return None
    return to_json({**service, **parsed}) if isinstance(parsed, dict) else None
