"""One call over one stream: what all kinds of them have in common."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from serving.error_details import KEY, details_of
from serving.status import Code, StatusError
from serving.transports.endings import short_text
from serving.transports.http2.call import Http2Call
from serving.transports.http2.literals import field, fields
from serving.transports.http2.messages import MessageReader, decompress
from serving.transports.http2.metadata import encode_message, encode_metadata
from serving.transports.http2.request_head import RequestHead
from serving.transports.http2.stream import Stream

if TYPE_CHECKING:
    from serving.transports.http2.session import Session

_OK = field("grpc-status", "0")


class Exchange(ABC):
    """Turns the data of a stream into requests, and answers into frames. Lives in the event loop.

    It ends once: with an answer, an error that is told (`end`), or nobody left to be told (`cancel`).
    """

    __slots__ = ("_board", "_head", "_held", "_session", "_stream", "_taken", "_timer", "call", "is_over", "reader")

    def __init__(self, session: "Session", stream: Stream, head: RequestHead) -> None:
        self._session = session
        self._stream = stream
        self._head = head
        self._board = session.board
        self.call = Http2Call(head, session.peer, session.board.loop)
        self.reader: MessageReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._held = 0
        self._taken = 0
        self.is_over = False
        """Whether it has ended: nothing is sent any more."""

    @property
    @abstractmethod
    def is_stream(self) -> bool:
        """Whether the call may go on for ever, so that the end of the server ends it."""

    @abstractmethod
    def receive(self, data: bytes, *, ended: bool) -> None:
        """Take data of the request; `ended` says that it was the last."""

    @abstractmethod
    def waits_for_client(self) -> bool:
        """Tell whether nothing can be done before the client sends more of a request that it owes."""

    @abstractmethod
    def _cancel_task(self) -> None:
        """Have the handler stop."""

    def arm(self) -> None:
        """Have the deadline end the call, where that was not arranged yet."""
        if self.call.deadline is not None and self._timer is None and not self.is_over:
            self._timer = self._board.loop.call_at(self.call.deadline, self._expire)

    def end(self, error: StatusError) -> None:
        """End the call with an error, and have its handler stop."""
        if not self.is_over:
            self._fail(error)
            self._cancel_task()

    def cancel(self) -> None:
        """End the call: nobody waits for its answer any more."""
        if not self.is_over:
            self._finish()
            self._cancel_task()

    def is_uploading(self) -> bool:
        """Tell whether a message of the request has begun and is not whole."""
        return not self._stream.remote_ended and self.reader is not None and self.reader.is_amid_message

    @property
    def upload_bytes(self) -> int:
        """What is held of a request that has not come whole; 0 where there is none."""
        return self._held if self.waits_for_client() and not self.is_over else 0

    def _fail(self, error: StatusError) -> None:
        """Answer with an error."""
        if self.is_over:
            return
        self._finish()
        trailing = dict(self.call.trailing)
        packed = details_of(error)
        if packed is not None:
            trailing[KEY] = packed
        pairs = [("grpc-status", str(int(error.code))), ("grpc-message", encode_message(short_text(error)))]
        self._session.end_answer(self._stream, fields(pairs) + encode_metadata(trailing))

    def _ok_block(self) -> bytes:
        return _OK + encode_metadata(self.call.trailing)

    def _finish(self) -> None:
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            self._release(self._held)
        if self._taken:
            self._give(self._taken)

    def _hold(self, size: int) -> bool:
        """Account for bytes that are kept; where they are too many, the call ends."""
        self._held += size
        error = self._take(size) if self._session.hold(size) else self._connection_full()
        if error is not None:
            self.end(error)
        return error is None

    def _connection_full(self) -> StatusError:
        most = self._board.limits.max_held_bytes
        return StatusError(Code.RESOURCE_EXHAUSTED, f"requests of this connection take over {most} bytes already")

    def _release(self, size: int) -> None:
        self._held -= size
        self._session.hold(-size)

    def _take(self, size: int) -> StatusError | None:
        """Account for bytes of requests until they are answered; return the error where all connections hold too many."""
        if self.is_over:  # its client has gone, or was told already
            return self._board.held.full()
        self._taken += size
        fits = self._board.held.take(self._session, size, of=self._taken)
        return None if fits else self._board.held.full()

    def _give(self, size: int) -> None:
        """Account no more for bytes of requests."""
        self._taken -= size
        self._board.held.release(self._session, size)

    async def _decompressed(self, message: bytes, most: int) -> bytes:
        return await decompress(message, self._head.encoding, most, self._board.offload, self._take)

    def _expire(self) -> None:
        self._timer = None
        self.call.is_expired = True
        self.end(StatusError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded"))
