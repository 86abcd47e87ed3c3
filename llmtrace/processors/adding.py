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
        said = found[0]
        for more in found[1:]:
            said = {**said, **more}
        # Not by `update`: a dict that grew takes longer to read, and all further steps read this one.
        return record.with_attributes({**record.attributes, **said})

    return add
