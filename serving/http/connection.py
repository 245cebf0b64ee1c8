"""A connection that must say what it wants: a deadline and a limit for the head of every request.

uvicorn has neither (Kludex/uvicorn#157): whoever sends a byte now and then, or headers without end, keeps a connection, or
fills the memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from serving.http.call import IDENTITIES
from serving.tls import names_in

HEAD_SECONDS = 10.0
MAX_HEAD_BYTES = 1 << 16

_STATE_KEY = "connection"


class Connection(HttpToolsProtocol):
    """uvicorn's connection, with a deadline for the head of a request. Lives in the event loop."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, {**app_state, _STATE_KEY: self}, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._answering = 0
        self.idle_since = asyncio.get_running_loop().time()
        """Since when no request is answered."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if not self._answering:
            if self._head_bytes > MAX_HEAD_BYTES:  # all of it came before this, and still no request
                self.transport.abort()
                return
            self._head_bytes += len(data)
            self._expect_head()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._forget_head()
        super().connection_lost(exc)

    @property
    def identities(self) -> Sequence[str]:
        """The names in the client's certificate, where TLS verified one."""
        return names_in(self.transport.get_extra_info("peercert") or {})

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return not self._answering

    @contextmanager
    def answering(self) -> Iterator[None]:
        """Have the deadline rest: the head of a request has come, and the block answers it."""
        self._forget_head()
        self._answering += 1
        try:
            yield
        finally:
            self._answering -= 1
            self.idle_since = asyncio.get_running_loop().time()

    def _expect_head(self) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._give_up)

    def _forget_head(self) -> None:
        self._head_bytes = 0
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()


Application = Callable[[MutableMapping[str, Any], Any, Any], Awaitable[None]]


def heads_in_time(application: Application) -> Application:
    """Return an ASGI application that tells its connection when a request has come whole enough to be answered."""

    async def answer(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        connection: Connection = scope["state"][_STATE_KEY]
        with connection.answering():
            await application({**scope, IDENTITIES: connection.identities}, receive, send)

    return answer
