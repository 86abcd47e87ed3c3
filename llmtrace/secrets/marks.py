"""The mark that stands where a secret stood: it says what kind was hit, and nothing of the text."""

from __future__ import annotations

import re
from typing import Final


def mark(kind: str) -> str:
    """``[redacted:<kind>]``."""
    return f"[redacted:{kind}]"


RULE_FAILED: Final = mark("rule_failed")
"""In place of a value that a rule could not look at."""
MARK: Final = re.compile(r"\[redacted:[A-Za-z0-9_.-]{1,64}\]")
"""Any mark."""
