"""Calls of any number of requests and responses."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from serving.status import Code, StatusError
from serving.transports.endings import status_of
from serving.transports.http2.exchange import Exchange
from serving.transports.http2.messages import PREFIX_BYTES, MessageReader, cut_off
from serving.transports.http2.request_head import RequestHead
from serving.transports.http2.stream import Stream
from serving.transports.http2.switchboard import Route

if TYPE_CHECKING:
    from serving.transports.http2.session import Session

_MAX_UNSENT = 64 << 10
"""Bytes of responses that wait for the client; the handler does with the next one."""


class StreamExchange(Exchange):
    """See Exchange. The handler begins with the call. The client may send again what the handler has read."""

    __slots__ = ("_arrived", "_begun", "_ended", "_messages", "_owed", "_requests", "_route", "_task", "_unanswered")
    is_stream = True

    def __init__(self, session: "Session", stream: Stream, route: Route, head: RequestHead) -> None:
        super().__init__(session, stream, head)
        self._route = route
        self._messages = self.reader = MessageReader(route.check)
        self._requests: deque[tuple[bool, bytes]] = deque()
        self._unanswered: deque[int] = deque()
        """What the requests take that were read: each answer is one to the oldest."""
        self._owed = 0
        self._ended = False
        self._arrived: asyncio.Future[None] | None = None
        self._begun = False
        self._task = self._board.task(self._run())
        self.arm()

    def receive(self, data: bytes, *, ended: bool) -> None:
        """See Exchange."""
        if self.is_over:
            return
        try:
            self._requests.extend(self._messages.feed(data))
        except StatusError as error:
            self.end(error)
            return
        if ended and self._messages.is_amid_message:
            self.end(cut_off())
            return
        if not self._hold(len(data)):
            return
        self._owed += len(data)
        self._ended = ended
        if not self._requests and not ended:
            self._give_back(self._owed)
        if (self._requests or ended) and self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Return the requests, for the handler."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next request."""
        while not self._requests:
            if self._ended or self.is_over:
                raise StopAsyncIteration
            self._arrived = self._board.loop.create_future()
            await self._arrived
        is_compressed, message = self._requests.popleft()
        size = len(message) + PREFIX_BYTES
        self._give_back(size if self._requests else self._owed)
        if is_compressed:
            message = await self._decompressed(message, self._route.max_bytes)
            size += len(message)
        self._unanswered.append(size)
        return message

    def _give_back(self, size: int) -> None:
        """Let the client send so much more."""
        self._owed -= size
        self._release(min(size, self._held))
        if not self.is_over:
            self._session.credit(self._stream, size)

    async def _run(self) -> None:
        self._begun = True
        responses: Any = self._route.method.handler(self, self.call)  # type: ignore[arg-type]
        try:
            async for response in responses:
                await self._send(response)
            if not self.is_over:
                self._finish()
                self._session.end_answer(self._stream, self._ok_block())
        except asyncio.CancelledError:
            self._fail(StatusError(Code.CANCELLED, "the call was cancelled by the server"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told something
            if not self.is_over:
                self._fail(status_of(error, self._head.path))
        finally:
            self._board.forget()
            if hasattr(responses, "aclose"):
                await responses.aclose()

    async def _send(self, response: bytes) -> None:
        if self.is_over:
            raise asyncio.CancelledError
        if self._unanswered:
            self._give(self._unanswered.popleft())
        self._session.send_message(self._stream, response)
        while self._stream.unsent > _MAX_UNSENT and not self.is_over:
            self._stream.drained = self._board.loop.create_future()
            await self._stream.drained

    def waits_for_client(self) -> bool:
        """See Exchange."""
        return self.is_uploading()

    def _cancel_task(self) -> None:
        if self._begun:
            self._task.cancel()
        else:
            self._board.loop.call_soon(self._task.cancel)  # a handler that has not begun could not tell of its end
