"""Service name, version and environment into `metadata`: Phoenix keeps no resource attribute but the project."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.sdk.resources import Resource

from llmtrace._record import SpanRecord
from llmtrace._values.serialize import to_json
from llmtrace.processors.adding import Adder
from llmtrace.semconv import trace as keys


def service_metadata(resource: Resource) -> Adder:
    """What adds that which `resource` says of the service; the user's own metadata keys win."""
    service = _service(resource.attributes)
    alone = {keys.METADATA: to_json(service)}

    def said(record: SpanRecord) -> Mapping[str, str] | None:
        present = record.attributes.get(keys.METADATA)
        if present is None:
            return alone
        text = _joined(service, present)
        return None if text is None else {keys.METADATA: text}

    return said


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
