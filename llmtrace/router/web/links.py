"""Signed links: whoever got the message may acknowledge its incident, for a week, without a token."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

LIFETIME: Final = timedelta(days=7)
_LONGEST: Final = 12


class SignedLinks:
    """Makes and checks them. ``key`` never leaves the store."""

    def __init__(self, key: bytes, base: str, now: Callable[[], datetime]) -> None:
        self._key = key
        self._base = base.rstrip("/")
        self._now = now

    def acknowledge(self, incident_id: int) -> str:
        """The address that a message carries."""
        expires = str(int((self._now() + LIFETIME).timestamp()))
        return f"{self._base}/ack/{incident_id}?expires={expires}&signature={self._sign(incident_id, expires)}"

    def is_valid(self, incident_id: int, expires: str, signature: str) -> bool:
        """Whether we made it for this incident, and not too long ago."""
        right = hmac.compare_digest(self._sign(incident_id, expires).encode(), signature.encode())
        readable = expires.isascii() and expires.isdecimal() and len(expires) <= _LONGEST
        return right and readable and self._now().timestamp() < int(expires)

    def _sign(self, incident_id: int, expires: str) -> str:
        return hmac.digest(self._key, f"acknowledge:{incident_id}:{expires}".encode(), hashlib.sha256).hex()
