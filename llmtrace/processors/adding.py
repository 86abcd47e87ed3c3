"""One step out of several that only add attributes: the span is copied once, not for each of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llmtrace._record import SpanRecord

Adder = Callable[[SpanRecord], Mapping[str, Any] | None]
"""Says what is to be added to a span; None: nothing. What another one adds it does not see."""


def adding(*adders: Adder) -> Callable[[SpanRecord], SpanRecord]:
    """The step that adds what these say; of the same key the last one's word counts."""

    def add(record: SpanRecord) -> SpanRecord:
        found = [added for adder in adders if (added := adder(record))]
        if not found:
            return record
        attributes = record.attributes
        for added in found:  # a dict that grew, as by `update`, takes longer to read, and all further steps do
            attributes = {**attributes, **added}
        return record.with_attributes(attributes)

    return add
