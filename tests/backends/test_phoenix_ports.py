"""Ports that are held for a server which binds them later."""

from __future__ import annotations

import socket

import pytest

from llmtrace.backends.phoenix.ports import hold_port
from llmtrace.exceptions import ConfigurationError


def listening(host="127.0.0.1", port=0):
    """A server that shares the port's address, as asyncio's and gRPC's do."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((host, port))
    server.listen()
    return server


@pytest.mark.parametrize("loopback", [True, False])
def test_a_held_port_is_left_to_the_server_that_names_it(loopback):
    """A server that asks for a held port by number gets it."""
    with hold_port("port", 0, loopback=loopback) as held:
        server = listening(port=held.number) if loopback else listening("0.0.0.0", held.number)  # noqa: S104  (as gRPC does)
        server.close()


def test_a_held_port_is_given_to_nobody_who_asks_for_any():
    """While a port is held, no request for any free port yields it."""
    with hold_port("port", 0, loopback=True) as held:
        others = [hold_port("port", 0, loopback=True) for _ in range(200)]
        try:
            assert held.number not in {other.number for other in others}
        finally:
            for other in others:
                other.close()


@pytest.mark.parametrize("loopback", [True, False])
def test_a_port_in_use_is_an_error_that_names_it(loopback):
    """A port on which somebody listens is refused in one line with the setting and the number."""
    with listening() as server:
        number = server.getsockname()[1]
        with pytest.raises(
            ConfigurationError, match=rf"^grpc-port: cannot use port {number}: Address already in use; allowed: "
        ):
            hold_port("grpc-port", number, loopback=loopback)


@pytest.mark.parametrize("number", [-1, 65536])
def test_a_number_that_is_no_port_is_an_error(number):
    """A number outside 0 to 65535 is refused in one line that says what is allowed."""
    with pytest.raises(ConfigurationError, match=f"^port: {number} is not a port; allowed: 1 to 65535, or 0"):
        hold_port("port", number, loopback=True)
