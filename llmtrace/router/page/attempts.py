"""How often somebody may log in with a wrong token: some times at once, then slowly. It remembers a fixed number."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

MOST_ADDRESSES: Final = 1_000
"""That are remembered: those that failed last."""
_IPV6_NETWORK: Final = 64
"""Bits that one client is known by: it has all addresses below."""


@dataclass(frozen=True, slots=True)
class Rate:
    """So many at once; afterwards one ``each`` so long."""

    at_once: int
    each: timedelta

    def wait(self, until: datetime, now: datetime) -> timedelta:
        """How long to wait, where failures are paid for ``until`` then; not above zero: not at all."""
        return self._owed(until, now) - (self.at_once - 1) * self.each

    def after(self, until: datetime, now: datetime) -> datetime:
        """Until when failures are paid for, with one more."""
        return now + self._owed(until, now) + self.each

    def _owed(self, until: datetime, now: datetime) -> timedelta:
        owed = until - now
        # More cannot be owed, unless the clock was set back: that locks nobody out.
        return owed if timedelta(0) <= owed <= self.at_once * self.each else timedelta(0)


PER_ADDRESS: Final = Rate(10, timedelta(seconds=6))
IN_TOTAL: Final = Rate(200, timedelta(seconds=0.3))


class Attempts:
    """Failures by address and in all. Whoever is over either waits, with the right token too."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._all = now()
        self._until: OrderedDict[str, datetime] = OrderedDict()

    def wait(self, address: str) -> timedelta:
        """How long until the next attempt is looked at; not above zero: now."""
        now = self._now()
        own = PER_ADDRESS.wait(self._until.get(_client(address), now), now)
        return max(own, IN_TOTAL.wait(self._all, now))

    def failed(self, address: str) -> None:
        """One more."""
        now, client = self._now(), _client(address)
        self._all = IN_TOTAL.after(self._all, now)
        self._until[client] = PER_ADDRESS.after(self._until.get(client, now), now)
        self._until.move_to_end(client)
        if len(self._until) > MOST_ADDRESSES:
            self._until.popitem(last=False)


def _client(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ipaddress.ip_network((address.partition("%")[0], _IPV6_NETWORK), strict=False))
    except ValueError:
        return ""
