"""What must not be under way on a thread of ours while the app forks: an import.

A module that another thread was importing at the moment of a fork stays locked in the child for ever, and the child's
own threads would wait for it.
"""

from __future__ import annotations

import os
import threading
from typing import Final

importing: Final = threading.Lock()
"""Held by a thread of ours while it imports; a fork waits until it is free."""

os.register_at_fork(before=importing.acquire, after_in_parent=importing.release, after_in_child=importing.release)
