"""One connection of HTTP/2: its streams, what becomes of them, and how it ends (RFC 9113)."""

from collections.abc import Callable

from serving.status import Code, StatusError
from serving.transports.http2.errors import ConnectionFault, ErrorCode
from serving.transports.http2.exchange import Exchange
from serving.transports.http2.frames import (
    DEFAULT_WINDOW,
    INITIAL_WINDOW_SIZE,
    LAST_STREAM,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
    PING,
    frame,
    goaway,
    rst_stream,
    settings_frame,
    window_update,
)
from serving.transports.http2.literals import fields
from serving.transports.http2.metadata import encode_message
from serving.transports.http2.outbox import ANSWER_HEAD, Outbox, last_frame
from serving.transports.http2.peer import Peer
from serving.transports.http2.plain_http import PlainHttpExchange
from serving.transports.http2.request_head import RequestHead
from serving.transports.http2.stream import Stream
from serving.transports.http2.streaming import StreamExchange
from serving.transports.http2.switchboard import Switchboard
from serving.transports.http2.unary import UnaryExchange
from serving.transports.http2.whole_requests import WholeRequests
from serving.transports.transport import Stream as StreamMethod
from serving.transports.transport import Unary

_MAX_REMEMBERED = 1000
"""Streams that this end closed first, so that what is still under way to them is no error."""
_EXCHANGES: dict[type, type[UnaryExchange | StreamExchange]] = {Unary: UnaryExchange, StreamMethod: StreamExchange}
LAST_CALL = b"lastcall"
"""The PING after a first GOAWAY: once it is answered, the client has seen that, and what it sent before has come."""


class Session:
    """Holds the streams of a connection, and answers on them. Lives in the event loop; `Receiver` feeds it."""

    def __init__(self, board: Switchboard, peer: Peer, wake: Callable[[], None]) -> None:
        """Prepare.

        Args:
            board: where calls go.
            peer: who calls.
            wake: called where something was put into the outbox, or the session is over.
        """
        self.board = board
        self.peer = peer
        self.limits = board.limits
        self.outbox = Outbox(burst=board.limits.write_buffer_bytes, closed=self._remove)
        self.whole = WholeRequests()
        self.streams: dict[int, Stream] = {}
        self.last_stream = 0
        """The newest that the client opened."""
        self.peer_window = DEFAULT_WINDOW
        """What a new stream may send to it."""
        self.is_over = False
        """Nothing is read any more; once the outbox is empty, the connection closes."""
        self.is_draining = False
        self.answered = 0
        self.idle_since = board.loop.time()
        self._wake = wake
        self.held = 0
        """Bytes of requests that are kept."""
        self._final: int | None = None
        self._closed_first: dict[int, None] = {}

    def begin(self) -> None:
        """Say what this end takes."""
        limits = self.limits
        self.outbox.put(
            settings_frame([
                (MAX_CONCURRENT_STREAMS, limits.max_concurrent_streams),
                (INITIAL_WINDOW_SIZE, limits.stream_window),
                (MAX_FRAME_SIZE, limits.max_frame_bytes),
                (MAX_HEADER_LIST_SIZE, limits.max_header_list_bytes),
            ])
            + window_update(0, limits.connection_window - DEFAULT_WINDOW)
        )  # fmt: skip
        self._wake()

    # What the receiver finds.

    def open(self, stream_id: int, head: RequestHead) -> Stream | None:
        """Open a stream; None where it is refused."""
        if self._final is not None and stream_id > self._final:
            return None  # the client has been told, and asks another server
        if len(self.streams) >= self.limits.max_concurrent_streams or self.board.is_full():
            self.outbox.put(rst_stream(stream_id, ErrorCode.REFUSED_STREAM))
            self._remember(stream_id)
            return None
        stream = Stream(
            stream_id,
            window=self.peer_window,
            receive_window=self.limits.stream_window,
            content_length=head.content_length,
        )
        self.streams[stream_id] = stream
        self.board.calls += 1
        return stream

    def connect(self, stream: Stream, head: RequestHead) -> None:
        """Give a new stream to its method, or say why not."""
        if head.http_status != 200:
            stream.exchange = PlainHttpExchange(self, stream, head)
            return
        route = self.board.routes.get(head.path)
        error = head.error
        if head.list_bytes > self.limits.max_header_list_bytes:
            most = self.limits.max_header_list_bytes
            error = StatusError(
                Code.RESOURCE_EXHAUSTED, f"metadata of {head.list_bytes} bytes; the limit is {most}"
            )  # fmt: skip
        elif self.outbox.unsent > self.limits.max_unsent_bytes:
            error = StatusError(
                Code.RESOURCE_EXHAUSTED, f"{self.outbox.unsent} bytes of answers wait to be read on this connection"
            )
        if error is not None:
            self._refuse(stream, error)
        elif route is None:
            self._refuse(stream, StatusError(Code.UNIMPLEMENTED, "Method not found!"))
        else:
            stream.exchange = _EXCHANGES[type(route.method)](self, stream, route, head)

    def reset(self, stream_id: int, code: ErrorCode) -> None:
        """Reset a stream for what the client did wrong on it."""
        self.outbox.put(rst_stream(stream_id, code))
        self._remember(stream_id)
        stream = self.streams.get(stream_id)
        if stream is not None:
            self.drop(stream)

    def give_up(self, stream: Stream) -> None:
        """Reset a stream whose client does not take the answer."""
        self.reset(stream.id, ErrorCode.CANCEL)
        self._wake()

    def drop(self, stream: Stream) -> None:
        """Forget a stream that was reset."""
        stream.remote_ended = True  # nothing is to be told
        self._forget(stream)
        exchange, stream.exchange = stream.exchange, None
        if exchange is not None:
            exchange.cancel()

    def was_closed_here(self, stream_id: int) -> bool:
        """Tell whether this end closed a stream before the client did."""
        return stream_id in self._closed_first

    def resize_windows(self, window: int) -> None:
        """Have streams begin with another window, and those there are changed by as much. Raises ConnectionFault."""
        change = window - self.peer_window
        self.peer_window = window
        for stream in self.streams.values():
            if not self.outbox.widen(stream, change):
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "a window beyond 2^31-1")

    # What exchanges do.

    def answer(self, stream: Stream, message: bytes, block: bytes) -> None:
        """Answer a call whole: a message and its trailers."""
        self.answered += 1
        self.outbox.answer(stream, message, last_frame(stream, block))
        self._wake()

    def send_message(self, stream: Stream, message: bytes) -> None:
        """Send one of several messages."""
        self.outbox.message(stream, message)
        self._wake()

    def end_answer(self, stream: Stream, block: bytes) -> None:
        """Send the trailers, which are all there is where nothing was sent before."""
        self.answered += 1
        if not stream.head_sent:
            stream.head_sent = True
            block = ANSWER_HEAD + block
        self.outbox.end(stream, last_frame(stream, block))
        self._wake()

    def credit(self, stream: Stream, size: int) -> None:
        """Let the client send so much more on a stream; it is told once it is much."""
        stream.owed += size
        if stream.owed >= self.limits.stream_window >> 1 and not stream.remote_ended and not stream.finishing:
            self.outbox.put(window_update(stream.id, stream.owed))
            stream.receive_left += stream.owed
            stream.owed = 0
            self._wake()

    def hold(self, size: int) -> bool:
        """Count bytes of requests that are kept; tell whether they are not too many."""
        self.held += size
        return self.held <= self.limits.max_held_bytes

    def make_room(self, more_than: int) -> bool:
        """See `serving.held_requests.Holder`."""
        exchanges = (stream.exchange for stream in self.streams.values() if stream.exchange is not None)
        largest: Exchange | None = max(exchanges, key=lambda each: each.upload_bytes, default=None)
        if largest is None or largest.upload_bytes <= more_than:
            return False
        largest.end(self.board.held.full())
        return True

    # How it ends.

    def drain(self) -> None:
        """Ask the client to open no more streams; those that are under way are still answered."""
        if self.is_draining or self.is_over:
            return
        self.is_draining = True
        self.outbox.put(goaway(LAST_STREAM, ErrorCode.NO_ERROR) + frame(PING, 0, 0, LAST_CALL))
        self._wake()

    def take_last_call(self) -> None:
        """Take no further streams; the session is over with those that there are."""
        if self._final is None and self.is_draining:
            self._final = self.last_stream
            self.outbox.put(goaway(self._final, ErrorCode.NO_ERROR))
            self._end_if_idle()
            self._wake()

    def ping(self, whole: bytes) -> None:
        """Ask whether the client is there."""
        self.outbox.put(whole)
        self._wake()

    def end_calls(self, error: StatusError, *, streams_only: bool = False) -> None:
        """End the calls that are open with an error."""
        for stream in list(self.streams.values()):
            exchange: Exchange | None = stream.exchange
            if exchange is not None and (exchange.is_stream or not streams_only):
                exchange.end(error)

    def close(self, code: ErrorCode = ErrorCode.NO_ERROR, text: str = "") -> None:
        """End now, and tell the client why."""
        if self.is_over:
            return
        self.is_over = True
        self.outbox.put(goaway(self.last_stream, code, text))
        self.abandon()
        self._wake()

    def abandon(self) -> None:
        """Cancel all calls: the connection is gone."""
        self.is_over = True
        for stream in list(self.streams.values()):
            self.drop(stream)

    def _refuse(self, stream: Stream, error: StatusError) -> None:
        pairs = [("grpc-status", str(int(error.code))), ("grpc-message", encode_message(error.message))]
        self.end_answer(stream, fields(pairs))

    def _remove(self, stream: Stream) -> None:
        """Close a stream whose answer is sent."""
        self._forget(stream)
        stream.exchange = None  # they know each other: what was asked and answered would wait for the garbage collector
        if not stream.remote_ended:  # the client is to send no more of what nobody reads
            self.outbox.put(rst_stream(stream.id, ErrorCode.NO_ERROR))
            self._remember(stream.id)

    def _forget(self, stream: Stream) -> None:
        if self.streams.pop(stream.id, None) is None:
            return
        if stream.pending is not None:
            self.outbox.forget(stream)
        self.board.calls -= 1
        if not self.streams:
            self.idle_since = self.board.loop.time()
            self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._final is not None and not self.streams:
            self.is_over = True

    def _remember(self, stream_id: int) -> None:
        self._closed_first[stream_id] = None
        if len(self._closed_first) > _MAX_REMEMBERED:
            del self._closed_first[next(iter(self._closed_first))]
