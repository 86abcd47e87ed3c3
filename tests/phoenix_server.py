"""What a test is given of the one real Phoenix of the session: its address, a project of its own, a reader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from waiting import wait_until

if TYPE_CHECKING:
    import httpx

    from llmtrace.backends.phoenix import PhoenixReader, StoredSpan


@dataclass(frozen=True, slots=True)
class Phoenix:
    """The real Phoenix, as one test sees it: nobody else writes into its project.

    Session ids are Phoenix's own, not a project's: derive them from the project's name.
    """

    base_url: str
    project: str
    client: httpx.Client
    reader: PhoenixReader

    def wait_for_trace(self, trace_id: str, count: int, deadline: float = 15.0) -> tuple[StoredSpan, ...]:
        """The spans of a trace, as soon as so many are stored."""

        def stored() -> tuple[StoredSpan, ...]:
            spans = self.reader.trace(trace_id)
            return spans if len(spans) >= count else ()

        return wait_until(stored, f"{count} spans of trace {trace_id} in Phoenix", deadline)
