"""Who is whose parent, by name."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan


def parents(spans: Sequence[ReadableSpan]) -> dict[str, str | None]:
    """Each span's name with its parent's; a name that occurs twice must have the same parent's name."""
    names = {span.context.span_id: span.name for span in spans}
    found: dict[str, str | None] = {}
    for span in spans:
        parent = None if span.parent is None else names[span.parent.span_id]
        assert found.setdefault(span.name, parent) == parent, f"{span.name} has different parents"
    return found
