"""Connections that come in: as many as there is room for, each with as long as it may take over TLS."""

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

_REST = 0.2  # seconds, where the process has no more files to open
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Arrivals(Generic[P]):
    """Takes connections from listeners. Lives in one event loop.

    State: tasks, one for each listener, and one for each connection that is not there yet, with what will speak over it.
    """

    def __init__(
        self,
        *,
        has_room: Callable[[], bool],
        protocol: Callable[[], P],
        arrived: Callable[[P], None],
        contexts: Callable[[], ssl.SSLContext] | None,
        handshake_seconds: float,
    ) -> None:
        """Prepare; `begin` begins.

        Args:
            has_room: tells whether one more connection may come; else it is closed.
            protocol: makes what speaks over a connection.
            arrived: is given it once the connection is there.
            contexts: TLS, asked for every connection, so that certificates can change; None for plain text.
            handshake_seconds: that TLS may take.
        """
        self._has_room = has_room
        self._protocol = protocol
        self._arrived = arrived
        self._contexts = contexts
        self._handshake_seconds = handshake_seconds
        self._accepting: list[asyncio.Task[None]] = []
        self._connecting: dict[asyncio.Task[None], P] = {}

    @property
    def protocols(self) -> set[P]:
        """What will speak over the connections that are on their way, or has just begun to."""
        return set(self._connecting.values())

    def begin(self, listeners: Iterable[socket.socket]) -> None:
        """Accept connections of these, until `stop`."""
        self._accepting = [asyncio.create_task(self._accept(each)) for each in listeners]

    async def stop(self) -> None:
        """Accept no more, and drop those that are on their way."""
        pending = [*self._accepting, *self._connecting]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connected, _ = await loop.sock_accept(listener)
            except OSError as error:
                await asyncio.sleep(_REST if error.errno in _EXHAUSTED else 0)
                continue
            if not self._has_room():
                connected.close()
                continue
            protocol = self._protocol()
            task = asyncio.create_task(self._shake_hands(connected, protocol))
            self._connecting[task] = protocol
            task.add_done_callback(self._connecting.pop)

    async def _shake_hands(self, connected: socket.socket, protocol: P) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: protocol,
                connected,
                ssl=None if self._contexts is None else self._contexts(),
                ssl_handshake_timeout=None if self._contexts is None else self._handshake_seconds,
            )
        except (OSError, TimeoutError):  # of TLS: ssl.SSLError is one of the first
            connected.close()
            return
        except BaseException:
            connected.close()
            raise
        self._arrived(protocol)
