"""HTTP/1.1 by uvicorn, in the server's own event loop."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

import uvicorn

from serving.http.application import Application
from serving.http.connection import HEAD_SECONDS, Connection, heads_in_time
from serving.status import ServerError
from serving.transports.arrivals import Arrivals
from serving.transports.listener import listen
from serving.transports.place import Place

_KEEP_ALIVE = 60  # seconds that a connection may be idle between two requests
_LAST_SECONDS = 1
"""For what is left to come to its end once its connection is gone."""
MAX_CONNECTIONS = 1000
"""Of those that wait for nothing, the one that has for longest makes room for one more; where all wait, that is closed."""


class HttpTransport:
    """An HTTP server; see `serving.transports.transport.Transport`. Lives in the event loop that `start` is awaited in."""

    def __init__(
        self,
        application: Application,
        place: Place,
        *,
        contexts: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        """Prepare; nothing happens before `start`.

        Args:
            application: what answers.
            place: where it listens.
            contexts: TLS, asked for every connection, so that certificates can change; None for plain text.
        """
        self._listeners: list[socket.socket] = []
        self._place = place
        self._server = uvicorn.Server(
            uvicorn.Config(
                heads_in_time(application),
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                log_level="error",  # a stranger who speaks no HTTP is worth no line
                access_log=False,
                server_header=False,
                proxy_headers=False,  # whom to believe about addresses is the operator's to say, and nobody asks
                timeout_keep_alive=_KEEP_ALIVE,
            )
        )
        self._serving: asyncio.Task[None] | None = None
        config, state = self._server.config, self._server.server_state
        self._arrivals = Arrivals(
            has_room=self._has_room,
            protocol=lambda: Connection(config, state, {}),
            arrived=lambda _: None,  # uvicorn counts it
            contexts=contexts,
            handshake_seconds=HEAD_SECONDS,
        )

    async def start(self) -> int:
        """See Transport."""
        self._listeners = listen(self._place)
        self._serving = asyncio.create_task(self._server.serve(sockets=[]))  # it would give a handshake a minute
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0)
        if self._serving.done():
            await self._serving
            raise ServerError("the HTTP server ended before it began; the log tells more")
        self._arrivals.begin(self._listeners)
        return int(self._listeners[0].getsockname()[1])

    async def stop(self, grace: float) -> None:
        """See Transport."""
        if self._serving is None:
            return
        await self._arrivals.stop()
        for listener in self._listeners:
            listener.close()
        self._server.config.timeout_graceful_shutdown = round(grace) + _LAST_SECONDS
        self._server.should_exit = True
        await asyncio.wait([self._serving], timeout=grace)
        for each in list(self._server.server_state.connections):  # on which some request never comes whole
            each.transport.abort()
        with contextlib.suppress(asyncio.CancelledError):
            await self._serving

    def _has_room(self) -> bool:
        """Tell whether one more connection may come; the one that has been idle for longest makes room for it."""
        connections = self._server.server_state.connections
        if len(connections | self._arrivals.protocols) < MAX_CONNECTIONS:  # uvicorn counts one before it is there
            return True
        idle = (each for each in connections if isinstance(each, Connection) and each.is_idle)
        longest = min(idle, key=lambda each: each.idle_since, default=None)
        if longest is None:
            return False
        connections.discard(longest)
        longest.transport.abort()
        return True
