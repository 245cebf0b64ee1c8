"""Sockets that connections come in by."""

import contextlib
import errno
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.status import ServerError

Bind = Callable[[socket.socket, tuple[Any, ...]], None]
"""Binds a socket to an address. Raises OSError."""
_BACKLOG = 2048
_TRIES = 10
"""For a port that is free on every address of a host."""
_PATH_HINT = "can its folder be written to (--grpc_socket_path), and is the path shorter than about 100 characters?"


def listen(host: str, port: int, *, reuse_port: bool, hint: str) -> list[socket.socket]:
    """Return sockets that listen at every address of a host, all of one port.

    Args:
        host: name or address.
        port: 0 for any free one.
        reuse_port: whether other processes may listen on the port too, and get a share of the connections.
        hint: what to do where none can be had.

    Raises:
        ServerError: none can be had.
    """

    def begin(listener: socket.socket, address: tuple[Any, ...]) -> None:
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        _begin(listener)

    return at_every_address(host, port, begin, hint=hint)


def at_every_address(host: str, port: int, bind: Bind, *, hint: str) -> list[socket.socket]:
    """Return a socket for every address of a host that this machine has, all of one port.

    Args:
        host: name or address.
        port: 0 for any free one.
        bind: what is done with each.
        hint: what to do where none can be had.

    Raises:
        ServerError: none can be had, or the port is in use at one of them.
    """
    for _ in range(1 if port else _TRIES):
        try:
            return _bound(host, port, bind)
        except OSError as error:
            reason = error
            if error.errno != errno.EADDRINUSE:
                break
    raise ServerError(f"cannot listen on {host}:{port}: {reason.strerror or reason}: {hint}") from reason


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
        raise ServerError(f"cannot listen on unix:{path}: {_PATH_HINT}") from error
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
