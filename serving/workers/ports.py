"""Ports that are kept for workers: nobody else can listen there, though the supervisor itself never does."""

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from serving.config import ServerConfig
from serving.status import ServerError

_ANY_REST_PORT = -1
_TRIES = 10
"""For a port that is free on every address of a host."""


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
        port = _hold(held, config.host, config.port, "--port")
        rest = admin = None
        if config.rest_api_port:
            wanted = 0 if config.rest_api_port == _ANY_REST_PORT else config.rest_api_port
            rest = _hold(held, config.host, wanted, "--rest_api_port")
        if config.admin_port is not None:
            admin = _hold(held, config.admin_host, config.admin_port, "--admin_port")
        yield Ports(port, rest or 0, admin)


def check_system() -> None:
    """Raise ServerError where processes cannot share a port, each with its part of the connections."""
    if sys.platform != "linux" or not hasattr(socket, "SO_REUSEPORT"):
        raise ServerError(
            f"workers: they share a port by SO_REUSEPORT, which {sys.platform} has not, or does not divide connections "
            "by: leave --workers out, and start a server for each port"
        )


def _hold(held: contextlib.ExitStack, host: str, port: int, flag: str) -> int:
    """Hold a port on every address of a host until the stack is left. Returns it."""
    for _ in range(1 if port else _TRIES):
        sockets: list[socket.socket] = []
        try:
            found = _bound(host, port, sockets)
        except OSError as error:
            for each in sockets:
                each.close()
            reason = error
        else:
            for each in sockets:
                held.enter_context(each)
            return found
    raise ServerError(
        f"cannot listen on {host}:{port}: {reason.strerror or reason}: is the port in use (choose another with {flag}), "
        "or the host not this machine's (--host)?"
    ) from reason


def _bound(host: str, port: int, sockets: list[socket.socket]) -> int:
    addresses = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    refusal: OSError | None = None
    for family, kind, protocol, _, address in addresses:
        try:
            sockets.append(_bound_socket(family, kind, protocol, (address[0], port, *address[2:])))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            refusal = error  # such as no IPv6, though the name of the host has an address of it
        else:
            port = sockets[0].getsockname()[1]
    if not sockets:
        raise refusal or OSError(errno.EADDRNOTAVAIL, "it has no address")
    return port


def _bound_socket(family: int, kind: int, protocol: int, address: tuple[object, ...]) -> socket.socket:
    """Return a socket that shares its port from the moment it is bound, and not before: so another server is noticed."""
    bound = socket.socket(family, kind, protocol)
    try:
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last server may linger
        bound.bind(address)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError:
        bound.close()
        raise
    return bound
