"""What a client sends, frame by frame: each is held against RFC 9113, and against what is of no use in such numbers."""

from serving.transports.http2.budget import Budget
from serving.transports.http2.errors import ConnectionFault, ErrorCode, StreamFault
from serving.transports.http2.frame_reader import FrameReader
from serving.transports.http2.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    LARGEST_WINDOW,
    PADDED,
    PING,
    PREFACE,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    WITH_PRIORITY,
    frame,
    read_settings,
    read_u31,
    window_update,
    without_padding,
)
from serving.transports.http2.header_blocks import HeaderBlocks
from serving.transports.http2.peer_settings import apply
from serving.transports.http2.request_head import Malformed, RequestHead, Trailers, read_block
from serving.transports.http2.session import LAST_CALL, Session
from serving.transports.http2.stream import Stream

_MAX_BLOCK_FRAMES = 64
_USEFUL = 10  # tokens that a request earns: some frames of control belong to it
_SMALL_DATA = 256  # bytes; smaller pieces of a message cost as much work as they carry bytes
_PING_COST, _FAULT_COST = 20, 10
_MOST_OWED = 100
"""The part of the tokens that may be owed before the clock is looked at: some clients send two frames of control a call."""


class Receiver:
    """Feeds a session with what its client sends. Lives in the event loop."""

    def __init__(self, session: Session) -> None:
        limits = session.limits
        self._session = session
        self._outbox = session.outbox
        self._streams = session.streams
        self._loop = session.board.loop
        self._preface = PREFACE
        self._reader = FrameReader(limits.max_frame_bytes)
        self._heads = HeaderBlocks(read_block, max_list_bytes=2 * limits.max_header_list_bytes)
        self._max_block_bytes = 2 * limits.max_header_list_bytes
        self._block: _Block | None = None
        self._received = 0
        self._window_half = limits.connection_window >> 1
        self._useless = Budget(limits.useless_frames, limits.useless_frames_per_second)
        self._most_owed = limits.useless_frames // _MOST_OWED
        self._owed = 0
        """Tokens that are yet to be spent; never more than there are."""
        self._resets = Budget(limits.resets, limits.resets_per_second)
        self._answered = self._data_frames = 0
        self._fresh: list[Stream] = []
        self.is_settled = False
        """Whether the client has begun as it should: the preface, and SETTINGS."""
        self.frames = 0
        """Whole frames so far."""
        self._handlers = {
            DATA: self._on_data,
            HEADERS: self._on_headers,
            PRIORITY: self._on_priority,
            RST_STREAM: self._on_rst_stream,
            SETTINGS: self._on_settings,
            PUSH_PROMISE: self._on_push_promise,
            PING: self._on_ping,
            GOAWAY: self._on_goaway,
            WINDOW_UPDATE: self._on_window_update,
            CONTINUATION: self._on_continuation,
        }

    @property
    def is_amid(self) -> bool:
        """Whether a frame has begun to come and is not whole."""
        return self._reader.is_amid_frame

    @property
    def is_in_block(self) -> bool:
        """Whether a header block is not whole."""
        return self._block is not None

    def receive(self, data: bytes | memoryview) -> None:
        """Take bytes as they come; whatever they are, nothing is raised."""
        try:
            if self._preface:
                data = self._strip_preface(data)
            session, handlers = self._session, self._handlers
            for kind, flags, stream_id, payload in self._reader.read(data):
                if session.is_over:
                    return
                self.frames += 1
                if self._block is not None or not self.is_settled:
                    self._check_expected(kind, flags, stream_id)
                try:
                    handlers.get(kind, self._on_unknown)(flags, stream_id, payload)
                except StreamFault as fault:
                    self._reset(fault)
        except ConnectionFault as fault:
            self._session.close(fault.code, fault.text)
        self._session.whole.answer()
        if self._fresh:
            for stream in self._fresh:
                if stream.exchange is not None:
                    stream.exchange.arm()
            self._fresh.clear()

    def _strip_preface(self, data: bytes | memoryview) -> bytes | memoryview:
        expected, self._preface = self._preface[: len(data)], self._preface[len(data) :]
        if data[: len(expected)] != expected:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "this port speaks gRPC over HTTP/2, and nothing else")
        return data[len(expected) :]

    def _check_expected(self, kind: int, flags: int, stream_id: int) -> None:
        if self._block is not None and (kind != CONTINUATION or stream_id != self._block.stream_id):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a header block is interrupted")
        if not self.is_settled and (kind != SETTINGS or flags & ACK):
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the first frame has to be SETTINGS")

    def _on_unknown(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        self._spend(1, "frames of unknown types")

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self._received += size
        if self._received >= self._window_half:
            self._outbox.put(window_update(0, self._received))
            self._received = 0
        ended = bool(flags & END_STREAM)
        data = without_padding(flags, payload) if flags & PADDED else payload
        if not data and not ended:
            self._spend(1, "empty DATA")
        stream = self._streams.get(stream_id)
        if stream is None:
            self._on_late_data(stream_id)
            return
        if stream.remote_ended:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "DATA after the end")
        stream.receive_left -= size
        if stream.receive_left < 0:
            raise StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "more DATA than the window")
        stream.received += len(data)
        if ended:
            self._end(stream)
        elif len(data) < _SMALL_DATA and stream.exchange is not None and stream.exchange.is_uploading():
            self._spend(1, "small pieces of messages")
        if size != len(data) and not ended:
            self._session.credit(stream, size - len(data))
        if stream.exchange is not None:
            stream.exchange.receive(data, ended=ended)

    def _on_late_data(self, stream_id: int) -> None:
        self._check_opened(stream_id, "DATA")
        self._spend(1, "DATA after the end")
        if not self._session.was_closed_here(stream_id):
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "DATA on a stream that is closed")

    def _end(self, stream: Stream) -> None:
        stream.remote_ended = True
        if stream.content_length is not None and stream.content_length != stream.received:
            raise StreamFault(stream.id, ErrorCode.PROTOCOL_ERROR, "content-length is not the length of the content")

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"HEADERS on the stream {stream_id}")
        if flags & PADDED:
            payload = without_padding(flags, payload)
        if flags & WITH_PRIORITY:
            if len(payload) < 5:
                raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a priority of less than five bytes")
            payload = payload[5:]
        if flags & END_HEADERS:
            self._on_block(stream_id, payload, ended=bool(flags & END_STREAM))
        else:
            self._block = _Block(stream_id, payload, ended=bool(flags & END_STREAM))

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        block = self._block
        if block is None:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "CONTINUATION of nothing")
        block.data += payload
        block.frames += 1
        if len(block.data) > self._max_block_bytes or block.frames > _MAX_BLOCK_FRAMES:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "a header block without end")
        if flags & END_HEADERS:
            self._block = None
            self._on_block(stream_id, bytes(block.data), ended=block.ended)

    def _on_block(self, stream_id: int, block: bytes, *, ended: bool) -> None:
        if len(block) > self._max_block_bytes:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "far too large a header block")
        head = self._heads.decode(block)
        if stream_id <= self._session.last_stream:
            self._on_trailers(stream_id, head, ended=ended)
            return
        self._session.last_stream = stream_id
        if not isinstance(head, RequestHead):
            text = head.reason if isinstance(head, Malformed) else "a request without :method, :scheme and :path"
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, text)
        stream = self._session.open(stream_id, head)
        if stream is None:
            self._spend_reset()
            return
        self._useless.earned += _USEFUL
        if ended:
            self._end(stream)
        if head.timeout is not None:
            self._fresh.append(stream)
        self._session.connect(stream, head)
        if ended and stream.exchange is not None:
            stream.exchange.receive(b"", ended=True)

    def _on_trailers(self, stream_id: int, head: RequestHead | Trailers | Malformed, *, ended: bool) -> None:
        stream = self._streams.get(stream_id)
        if stream is None:
            self._spend(1, "HEADERS after the end")
            if not self._session.was_closed_here(stream_id):
                raise ConnectionFault(ErrorCode.STREAM_CLOSED, "HEADERS on a stream that is closed")
            return
        if stream.remote_ended:
            raise StreamFault(stream_id, ErrorCode.STREAM_CLOSED, "HEADERS after the end")
        if not ended or not isinstance(head, Trailers):
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "trailers that are none")
        self._end(stream)
        if stream.exchange is not None:
            stream.exchange.receive(b"", ended=True)

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        if not stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PRIORITY of the connection")
        self._spend(1, "PRIORITY")
        if len(payload) != 5:
            raise StreamFault(stream_id, ErrorCode.FRAME_SIZE_ERROR, "PRIORITY of other than five bytes")

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        self._check_opened(stream_id, "RST_STREAM")
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "RST_STREAM of other than four bytes")
        stream = self._streams.get(stream_id)
        if stream is None:
            self._spend(1, "RST_STREAM after the end")
            return
        self._session.drop(stream)
        self._spend_reset()

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "SETTINGS of a stream")
        if len(payload) % 6 or (flags & ACK and payload):
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "SETTINGS that are cut off")
        if flags & ACK:
            self._spend(1, "SETTINGS that are acknowledged")
            return
        self._spend(1 + len(payload) // 60, "SETTINGS")
        apply(read_settings(payload), self._session)
        self.is_settled = True
        self._outbox.put(frame(SETTINGS, ACK, 0))

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "a client cannot promise anything")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "PING of a stream")
        if len(payload) != 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "PING of other than eight bytes")
        if not flags & ACK:
            self._spend(_PING_COST, "too_many_pings")  # what gRPC's clients look for
            self._outbox.put(frame(PING, ACK, 0, payload))
            return
        self._spend(1, "answers to PING")
        if payload == LAST_CALL:
            self._session.take_last_call()

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        if stream_id:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "GOAWAY of a stream")
        if len(payload) < 8:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "GOAWAY of less than eight bytes")
        self._spend(1, "GOAWAY")
        self._session.drain()
        self._session.take_last_call()

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:  # noqa: ARG002
        if len(payload) != 4:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "WINDOW_UPDATE of other than four bytes")
        increment = read_u31(payload)
        self._spend(1, "WINDOW_UPDATE")
        if not stream_id:
            self._outbox.window += increment
            if not increment or self._outbox.window > LARGEST_WINDOW:
                code = ErrorCode.FLOW_CONTROL_ERROR if increment else ErrorCode.PROTOCOL_ERROR
                raise ConnectionFault(code, "a window that grows by nothing, or beyond 2^31-1")
            return
        stream = self._streams.get(stream_id)
        if stream is None:
            self._check_opened(stream_id, "WINDOW_UPDATE")
        if not increment:
            raise StreamFault(stream_id, ErrorCode.PROTOCOL_ERROR, "a window that grows by nothing")
        if stream is not None and not self._outbox.widen(stream, increment):
            raise StreamFault(stream_id, ErrorCode.FLOW_CONTROL_ERROR, "a window beyond 2^31-1")

    def _check_opened(self, stream_id: int, what: str) -> None:
        if not stream_id & 1 or stream_id > self._session.last_stream:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"{what} on a stream that nobody opened")

    def _spend(self, tokens: int, what: str) -> None:
        self._owed += tokens
        if self._owed <= self._most_owed and self._owed <= self._useless.left:
            return
        owed, self._owed = self._owed, 0
        sent, self._data_frames = self._outbox.data_frames - self._data_frames, self._outbox.data_frames
        self._useless.earned += sent * _USEFUL
        if not self._useless.spend(owed, self._loop.time()):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, what)

    def _spend_reset(self) -> None:
        answered, self._answered = self._session.answered - self._answered, self._session.answered
        self._resets.earned += answered
        if not self._resets.spend(1, self._loop.time()):
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "calls are begun and ended without an answer")

    def _reset(self, fault: StreamFault) -> None:
        self._session.reset(fault.stream_id, fault.code)
        self._spend(_FAULT_COST, "errors of streams")
        self._spend_reset()


class _Block:
    """A header block that is not whole."""

    def __init__(self, stream_id: int, data: bytes, *, ended: bool) -> None:
        self.stream_id = stream_id
        self.data = bytearray(data)
        self.ended = ended
        self.frames = 1
