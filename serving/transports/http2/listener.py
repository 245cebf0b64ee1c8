"""Sockets that connections come in by."""

import contextlib
import socket
import stat
from collections.abc import Sequence
from pathlib import Path

from serving.status import ServerError

_BACKLOG = 2048
_PATH_HINT = "can its folder be written to (--grpc_socket_path), and is the path shorter than about 100 characters?"


def listen(host: str, port: int, *, reuse_port: bool, hint: str) -> list[socket.socket]:
    """Return sockets for every address of a host, all of one port.

    Args:
        host: name or address.
        port: 0 for any free one.
        reuse_port: whether other processes may listen on the port too, and get a share of the connections.
        hint: what to do where none can be had.

    Raises:
        ServerError: none can be had.
    """
    found: list[socket.socket] = []
    try:
        # asyncio turns Nagle's algorithm off only where a socket says that it is TCP: else an answer waits for 40 ms.
        addresses = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        for family, _, _, _, address in dict.fromkeys(addresses):
            chosen = (address[0], found[0].getsockname()[1] if found else port, *address[2:])
            found.append(_bound(family, chosen, reuse_port=reuse_port))
    except OSError as error:
        for each in found:
            each.close()
        raise ServerError(f"cannot listen on {host}:{port}: {error.strerror or error}: {hint}") from error
    return found


def listen_on_path(path: str) -> socket.socket:
    """Return a UNIX socket; one that was left at the path is replaced. Raises ServerError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(Path(path).stat().st_mode):
                Path(path).unlink()
        listener.bind(path)
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003
    except OSError as error:
        listener.close()
        raise ServerError(f"cannot listen on unix:{path}: {_PATH_HINT}") from error
    return listener


def _bound(family: int, address: Sequence[object], *, reuse_port: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # those of the last server may linger
        if reuse_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # the other family has a socket of its own
        listener.bind(tuple(address))
        listener.listen(_BACKLOG)
        listener.setblocking(False)  # noqa: FBT003
    except OSError:
        listener.close()
        raise
    return listener
