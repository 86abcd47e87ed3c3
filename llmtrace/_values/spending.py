"""One budget of time for all that a recording call renders and asks, wherever it does so.

Every rendering has a budget of its own; a call that renders thousands of foreign objects needs one for all of them.
Counted is the time where other people's code may run. What comes after it is spent is not looked at, and says so.
"""

from __future__ import annotations

import threading
from typing import Final

BUDGET: Final = 1_500_000
"""Nanoseconds."""
MOST_ENTRIES: Final = 5_000
"""Entries of lists, in all, that are flattened where more than a dict of texts has to be looked at."""


class _Spending(threading.local):
    """What is left of this thread's present call.

    Attributes:
        left: nanoseconds; None: no call is under way, each rendering has a budget of its own.
        entries: entries of lists.
    """

    left: int | None = None
    entries: int = MOST_ENTRIES


spending: Final = _Spending()
