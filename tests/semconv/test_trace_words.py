"""The span attribute keys that llmtrace emits."""

from __future__ import annotations

from openinference.semconv import resource
from openinference.semconv import trace as openinference

from llmtrace.semconv import trace


def _values(module: object) -> dict[str, str]:
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}


def _openinference() -> set[str]:
    known: set[str] = set()
    for module in (openinference, resource):
        for value in vars(module).values():
            if isinstance(value, type):
                known |= {str(getattr(item, "value", item)) for item in vars(value).values()}
    return known


def test_every_key_is_openinferences_opentelemetrys_or_ours():
    """No key is made up: it is OpenInference's, a resource key of OpenTelemetry, or begins with llmtrace."""
    resource_keys = {"service.name", "service.version", "deployment.environment.name", "deployment.environment"}
    foreign = {
        value
        for value in _values(trace).values()
        if not value.startswith("llmtrace.") and value not in resource_keys | _openinference()
    }
    assert foreign <= {trace.KEPT_STATE}  # the key of a trace state's entry, no attribute's


def test_no_two_names_stand_for_one_key():
    """A word is spelt once."""
    values = list(_values(trace).values())
    assert sorted(values) == sorted(set(values))
