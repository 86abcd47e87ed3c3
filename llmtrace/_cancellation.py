"""Whether an exception is the cancellation of a task, without loading asyncio into a service that does not use it."""

from __future__ import annotations

import sys


def is_cancellation(error: object) -> bool:
    """Whether a task is being cancelled: where nobody has loaded asyncio there is none."""
    kind: type[BaseException] | None = getattr(sys.modules.get("asyncio.exceptions"), "CancelledError", None)
    return kind is not None and isinstance(error, kind)
