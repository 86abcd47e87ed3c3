"""Which addresses a notifier may call: public ones only, unless the receiver allows private ones.

The router stands inside a network and calls addresses that a file names; it must not become a way into that network.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAMES: Final = ("localhost", ".localhost", ".local", ".internal")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(text: str) -> bool:
    """Whether an IP address belongs to the public internet, also where it carries an IPv4 address inside."""
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or _nat64(address)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


def is_surely_private(host: str) -> bool:
    """Whether a URL's host is a private address or a local name, as far as can be seen without asking DNS."""
    try:
        return not is_public(host)
    except ValueError:
        name = host.lower().rstrip(".")
        return name == _LOCAL_NAMES[0] or name.endswith(_LOCAL_NAMES[1:])


def _nat64(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF) if address in _NAT64 else None
