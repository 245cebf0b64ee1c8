"""Sockets that connections come in by."""

import contextlib
import errno
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.status import ServerError
from serving.transports.place import Place

Bind = Callable[[socket.socket, tuple[Any, ...]], None]
"""Binds a socket to an address. Raises OSError."""
_BACKLOG = 2048
_TRIES = 10
"""For a port that is free on every address of a host."""
PATH_HINT = "can its folder be written to (--grpc_socket_path), and is the path shorter than about 100 characters?"


def listen(place: Place) -> list[socket.socket]:
    """Return sockets that listen at every address of a host, all of one port. Raises ServerError; see at_every_address."""

    def begin(listener: socket.socket, address: tuple[Any, ...]) -> None:
        if place.reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        _begin(listener)

    return at_every_address(place, begin)


def at_every_address(place: Place, bind: Bind) -> list[socket.socket]:
    """Return a socket for every address of a host that this machine has, all of one port, after `bind` for each.

    Raises:
        ServerError: none can be had, or the port is in use at one of them.
    """
    for _ in range(1 if place.port else _TRIES):
        try:
            return _bound(place.host, place.port, bind)
        except OSError as error:
            reason = error
            if error.errno != errno.EADDRINUSE:
                break
    raise ServerError(
        f"cannot listen on {place.host}:{place.port}: {reason.strerror or reason}: {place.flags.hint}"
    ) from reason


def listen_on_path(path: str) -> socket.socket:
    """Return a UNIX socket; one that was left at the path is replaced. Raises ServerError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(Path(path).stat().st_mode):
                Path(path).unlink()
        listener.bind(path)
        _begin(listener)
    except OSError as error:
        listener.close()
        raise ServerError(f"cannot listen on unix:{path}: {PATH_HINT}") from error
    return listener


def _begin(listener: socket.socket) -> None:
    listener.listen(_BACKLOG)
    listener.setblocking(False)  # noqa: FBT003


def _bound(host: str, port: int, bind: Bind) -> list[socket.socket]:
    # asyncio turns Nagle's algorithm off only where a socket says that it is TCP: else an answer waits for 40 ms.
    addresses = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )
    refusal: OSError | None = None
    with contextlib.ExitStack() as kept:
        found: list[socket.socket] = []
        for family, _, _, _, address in dict.fromkeys(addresses):
            try:
                listener = kept.enter_context(_bound_at(family, (address[0], port, *address[2:]), bind))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise
                refusal = refusal or error  # such as no IPv6, though the name of the host has an address of it
            else:
                found.append(listener)
                port = listener.getsockname()[1]
        if not found:
            raise refusal or OSError(errno.EADDRNOTAVAIL, "it has no address")
        kept.pop_all()
    return found


def _bound_at(family: int, address: tuple[Any, ...], bind: Bind) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the other family has a socket of its own
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last server may linger
        bind(listener, address)
    except OSError:
        listener.close()
        raise
    return listener
