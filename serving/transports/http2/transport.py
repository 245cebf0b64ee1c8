"""gRPC by asyncio itself: one loop, no thread, no library but for HPACK."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.afterwards import Afterwards
from serving.held_requests import HeldRequests
from serving.transports.arrivals import Arrivals
from serving.transports.endings import shutting_down
from serving.transports.http2.connection import Connection
from serving.transports.http2.limits import Limits
from serving.transports.http2.switchboard import Switchboard
from serving.transports.listener import listen, listen_on_path
from serving.transports.place import Place
from serving.transports.transport import Stream, Unary

_SCRATCH_BYTES = 256 << 10
_LAST_WORDS = 0.5  # seconds
_LAST_BYTES = 1.0  # seconds, for what was written to leave


class AsyncioTransport:
    """A gRPC server. Lives in the event loop that `start` is awaited in."""

    def __init__(
        self,
        methods: Sequence[Unary | Stream],
        place: Place,
        *,
        max_message_bytes: int,
        tls: Callable[[], ssl.SSLContext] | None = None,
        socket_path: str | None = None,
        limits: Limits | None = None,
        held: HeldRequests | None = None,
        afterwards: Afterwards | None = None,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            methods: what it answers.
            place: where it listens.
            max_message_bytes: largest request.
            tls: asked for every connection, so that certificates can change; None for plain text.
            socket_path: a UNIX socket to listen on too.
            limits: what one peer may take.
            held: counts what requests take; None for a count of this transport's own.
            afterwards: what is to be done once answers have left that were given at once.
        """
        self._methods = methods
        self._place = place
        self._socket_path = socket_path
        self._max_message_bytes = max_message_bytes
        self._limits = limits or Limits()
        self._held = held
        self._afterwards = afterwards
        self._connections: dict[Connection, None] = {}
        self._listeners: list[socket.socket] = []
        self._bound_path: Path | None = None
        self._arrivals = Arrivals(
            has_room=self._has_room,
            protocol=self._connection,
            arrived=self._take_in,
            contexts=tls,
            handshake_seconds=self._limits.handshake_seconds,
        )
        self._board: Switchboard | None = None
        self._empty = asyncio.Event()
        self._looking: asyncio.TimerHandle | None = None

    async def start(self) -> int:
        """See Transport."""
        self._listeners = listen(self._place)
        port = int(self._listeners[0].getsockname()[1])
        try:
            if self._socket_path:
                self._listeners.append(listen_on_path(self._socket_path))
                self._bound_path = Path(self._socket_path)
        except BaseException:
            self._close_listeners()
            raise
        self._board = Switchboard(
            self._methods,
            loop=asyncio.get_running_loop(),
            limits=self._limits,
            max_message_bytes=self._max_message_bytes,
            held=self._held,
            afterwards=self._afterwards,
        )
        self._scratch = memoryview(bytearray(_SCRATCH_BYTES))
        self._arrivals.begin(self._listeners)
        self._pause_between_looks = max(0.01, min(1.0, self._limits.shortest() / 4))
        self._look()
        return port

    async def stop(self, grace: float) -> None:
        """See Transport."""
        board = self._board
        if board is None:
            return
        self._board = None
        await self._arrivals.stop()
        self._close_listeners()
        for connection in list(self._connections):
            connection.session.drain()
        if grace > 0:
            words = asyncio.get_running_loop().call_later(min(_LAST_WORDS, grace), self._end_streams)
            await self._until_empty(grace)
            words.cancel()
        for connection in list(self._connections):
            connection.session.end_calls(shutting_down())
            connection.session.close()
        await self._until_empty(_LAST_BYTES)
        if self._looking is not None:
            self._looking.cancel()
        for connection in list(self._connections):
            connection.abort()
        for task in board.tasks:
            task.cancel()
        board.offload.close()

    def _has_room(self) -> bool:
        """Tell whether one more connection may come; the one that has been idle for longest makes room for it."""
        most = self._limits.max_connections
        arriving = self._arrivals.protocols
        count = len(self._connections.keys() | arriving)
        if count < most:
            return True
        if count >= 2 * most:  # half of them have been told to end, and take their time
            return False
        open_ones = {each for each in self._connections if not each.session.is_over}
        if len(open_ones | arriving) < most:
            return True
        longest = min(filter(Connection.is_idle, open_ones), key=lambda each: each.session.idle_since, default=None)
        if longest is None:
            return False
        longest.session.drain()
        longest.session.take_last_call()
        return True

    def _connection(self) -> Connection:
        assert self._board is not None  # noqa: S101 - it listens
        return Connection(self._board, self._scratch, self._forget)

    def _take_in(self, connection: Connection) -> None:
        if not connection.is_lost:
            self._connections[connection] = None
            self._empty.clear()

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection, None)
        if not self._connections:
            self._empty.set()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._connections):
            connection.look(now)
        self._looking = loop.call_later(self._pause_between_looks, self._look)

    def _end_streams(self) -> None:
        for connection in list(self._connections):
            connection.session.end_calls(shutting_down(), streams_only=True)

    async def _until_empty(self, seconds: float) -> None:
        """Wait until there are no connections, or the time has passed."""
        if self._connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)

    def _close_listeners(self) -> None:
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        if self._bound_path is not None:
            self._bound_path.unlink(missing_ok=True)
