"""One connection as asyncio has it: bytes from the socket to the receiver, frames from the outbox to the socket."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from serving.transports.http2.patience import Patience, Verdict
from serving.transports.http2.peer import Peer
from serving.transports.http2.receiver import Receiver
from serving.transports.http2.session import Session
from serving.transports.http2.switchboard import Switchboard

logger = logging.getLogger(__name__)

_ALPN = "h2"
_SMALL = 16 << 10  # bytes: slices of bytes are quicker than those of a memoryview, and a large copy is slower than both


class Connection(asyncio.BufferedProtocol):
    """Lives in the event loop. All that one turn of the loop has to say leaves in one write."""

    def __init__(self, board: Switchboard, scratch: memoryview, closed: Callable[["Connection"], None]) -> None:
        """Prepare.

        Args:
            board: where calls go.
            scratch: what sockets are read into; shared by all connections, as each is done with it at once.
            closed: what to call once the connection is gone.
        """
        self._board = board
        self._loop = board.loop
        self._scratch = scratch
        self._closed = closed
        self._transport: Any = None
        self._is_reading = False
        self._is_flush_due = False
        self.is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        self._transport = transport
        self._transport.set_write_buffer_limits(high=self._board.limits.write_buffer_bytes)
        self.session = Session(self._board, Peer.of(transport), self._wake)
        self._outbox = self.session.outbox
        self._receiver = Receiver(self.session)
        self._patience = Patience(self.session, self._receiver, self._loop.time())
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != _ALPN:
            self._transport.abort()
            return
        self.session.begin()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - what there is, is enough
        """See asyncio.BufferedProtocol."""
        return self._scratch

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        if self.session.is_over:
            return
        self._patience.last_read = self._loop.time()
        self._is_reading = True
        try:
            read = self._scratch[:nbytes]
            self._receiver.receive(bytes(read) if nbytes <= _SMALL else read)
        except Exception:
            logger.exception("a connection ends: this is a fault of the server's")
            self._transport.abort()
            return
        finally:
            self._is_reading = False
        self._flush()
        self._board.afterwards.do()

    def eof_received(self) -> None:
        """See asyncio.Protocol: who sends no more is not there to read answers."""

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """See asyncio.Protocol."""
        self.is_lost = True
        self.session.abandon()
        self._closed(self)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        self._outbox.is_paused = True
        self._patience.paused_since = self._loop.time()

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._outbox.is_paused = False
        self._patience.paused_since = None
        self._wake()

    def look(self, now: float) -> None:
        """See that the client does not take for ever."""
        if self._transport is not None and not self.is_lost and self._patience.look(now) is Verdict.ABORT:
            self.abort()

    def abort(self) -> None:
        """End the connection, whatever waits."""
        if self._transport is not None:
            self._transport.abort()

    def is_idle(self) -> bool:
        """Tell whether there is no call."""
        return not self.session.streams

    def _wake(self) -> None:
        if not self._is_flush_due and not self._is_reading:
            self._is_flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_flush_due = False
        if self._outbox.is_flooded():
            self.abort()
        while not self.is_lost and (not self._outbox.is_paused or self.session.is_over):
            data = self._outbox.take()
            if not data:
                break
            self._transport.write(data)
            if not self._outbox.waiting:
                break
        if self.session.is_over:
            self._end()

    def _end(self) -> None:
        """Close the sending side. What the client still sends is read, or the kernel would take the last frames back."""
        if self.is_lost or self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
