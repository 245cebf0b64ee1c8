"""One stream of HTTP/2: what is left of its windows, and what waits to be sent on it."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.transports.http2.exchange import Exchange


class Stream:
    """Plain state, changed by the session, the outbox and the exchange of its connection."""

    __slots__ = (
        "content_length",
        "drained",
        "exchange",
        "finishing",
        "head_sent",
        "id",
        "owed",
        "pending",
        "receive_left",
        "received",
        "remote_ended",
        "stamp",
        "unsent",
        "window",
    )

    def __init__(self, stream_id: int, *, window: int, receive_window: int, content_length: int | None) -> None:
        self.id = stream_id
        self.exchange: Exchange | None = None
        self.window = window
        """How many bytes the client takes."""
        self.receive_left = receive_window
        """How many it may send."""
        self.owed = 0
        """How many of what it sent it may send again, and was not told."""
        self.received = 0
        self.content_length = content_length
        self.stamp = -1
        """What had been received when somebody last looked."""
        self.remote_ended = False
        self.head_sent = False
        self.finishing = False
        """Whether the end of the answer waits to be sent, or was."""
        self.pending: deque[bytes | memoryview] | None = None
        """Whole frames, and data to be framed."""
        self.unsent = 0
        """Bytes of data in it."""
        self.drained: asyncio.Future[None] | None = None
        """Whoever waits for it to be sent."""

    def wake(self) -> None:
        """Tell who waits that it was sent, or that the stream is no more."""
        if self.drained is not None and not self.drained.done():
            self.drained.set_result(None)
        self.drained = None
