"""Ports that are kept for workers: nobody else can listen there, though the supervisor itself never does."""

import contextlib
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from serving.config import ServerConfig
from serving.status import ServerError
from serving.transports.listener import at_every_address
from serving.transports.place import Place
from serving.transports.port_flags import HTTP, OPERATORS

_ANY_REST_PORT = -1


@dataclass(frozen=True)
class Ports:
    """Where workers listen."""

    port: int
    rest_api_port: int = 0
    """0 for no HTTP."""
    admin_port: int | None = None


@contextlib.contextmanager
def held_ports(config: ServerConfig) -> Iterator[Ports]:
    """Keep the ports of a config until the block ends; those that may be any are chosen.

    Raises:
        ServerError: one cannot be had, or several processes cannot share a port on this system.
    """
    check_system()
    with contextlib.ExitStack() as held:
        port = _hold(held, Place(config.host, config.port))
        rest = admin = None
        if config.rest_api_port:
            wanted = 0 if config.rest_api_port == _ANY_REST_PORT else config.rest_api_port
            rest = _hold(held, Place(config.host, wanted, HTTP))
        if config.admin_port is not None:
            admin = _hold(held, Place(config.admin_host, config.admin_port, OPERATORS))
        yield Ports(port, rest or 0, admin)


def check_system() -> None:
    """Raise ServerError where processes cannot share a port, each with its part of the connections."""
    if sys.platform != "linux" or not hasattr(socket, "SO_REUSEPORT"):
        raise ServerError(
            f"workers: they share a port by SO_REUSEPORT, which {sys.platform} has not, or does not divide connections "
            "by: leave --workers out, and start a server for each port"
        )


def _hold(held: contextlib.ExitStack, place: Place) -> int:
    """Hold a port on every address of a host until the stack is left. Returns it."""
    sockets = at_every_address(place, _bind)
    for each in sockets:
        held.enter_context(each)
    return int(sockets[0].getsockname()[1])


def _bind(bound: socket.socket, address: tuple[Any, ...]) -> None:
    """Have a socket share its port from the moment it is bound, and not before: so another server is noticed."""
    bound.bind(address)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
