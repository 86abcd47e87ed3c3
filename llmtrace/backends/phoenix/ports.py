"""Hold a TCP port from the moment that it is chosen until the server that is to have it listens on it.

Phoenix binds its ports many seconds after it was started. A port that was merely found to be free could by then be
taken, most likely as the near end of somebody's outgoing connection. So a socket is bound to it, but does not listen:
the kernel gives such a port to nobody who asks for any free one, while a server that asks for it by number and sets
SO_REUSEADDR (as asyncio and gRPC do) still gets it.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final, Self

from llmtrace.exceptions import ConfigurationError

if TYPE_CHECKING:
    from types import TracebackType

_HIGHEST: Final = 65535


class HeldPort:
    """A port that is kept free for another process. Close it when that process listens."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self.number: int = bound.getsockname()[1]

    def close(self) -> None:
        """Let go of it; again does nothing."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def hold_port(setting: str, number: int, *, loopback: bool) -> HeldPort:
    """Hold a port; 0 means any free one.

    Args:
        setting: what the user calls it, for the message.
        number: 0 to 65535.
        loopback: on 127.0.0.1 only, or (False) on every interface, IPv4 and IPv6.

    Raises:
        ConfigurationError: it is no port, or somebody listens on it, or we may not have it.
    """
    if not 0 <= number <= _HIGHEST:
        raise ConfigurationError(f"{setting}: {number} is not a port; allowed: 1 to {_HIGHEST}, or 0 for any free one")
    try:
        return HeldPort(_bind_loopback(number) if loopback else _bind_everywhere(number))
    except OSError as error:
        raise ConfigurationError(
            f"{setting}: cannot use port {number}: {error.strerror}; allowed: a free port, or 0 for any free one"
        ) from None


def _bind_loopback(number: int) -> socket.socket:
    return _bind(socket.socket(socket.AF_INET), "127.0.0.1", number)


def _bind_everywhere(number: int) -> socket.socket:
    if not socket.has_dualstack_ipv6():
        return _bind(socket.socket(socket.AF_INET), "", number)
    both = socket.socket(socket.AF_INET6)
    both.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    return _bind(both, "::", number)


def _bind(free: socket.socket, host: str, number: int) -> socket.socket:
    try:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind((host, number))
    except BaseException:
        free.close()
        raise
    return free
