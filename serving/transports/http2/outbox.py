"""What one connection has to send, within the windows of its peer and the patience of its socket."""

import struct
from collections import deque
from collections.abc import Callable

from serving.transports.http2.frames import (
    DATA,
    DEFAULT_FRAME,
    DEFAULT_WINDOW,
    END_HEADERS,
    END_STREAM,
    HEADER,
    HEADERS,
    LARGEST_WINDOW,
    frame,
)
from serving.transports.http2.literals import STATUS_200, field
from serving.transports.http2.messages import ACCEPTED, PREFIX_BYTES, prefixed
from serving.transports.http2.stream import Stream

ANSWER_HEAD = STATUS_200 + field("content-type", "application/grpc") + field("grpc-accept-encoding", ACCEPTED)
_SIZE = len(ANSWER_HEAD)
_HEAD_AND_PREFIX = struct.Struct(f">HBBBI{_SIZE}sHBBBIBI")
"""The HEADERS frame of an answer, the header of its DATA frame, and the prefix of its message: one piece."""
_MAX_FRAME = 64 << 10
"""Largest frame sent, whatever the peer would take: other streams have their turn in between."""
_END = END_HEADERS | END_STREAM
_MAX_FRAMES = 10_000
"""Frames that wait while the peer reads nothing."""


class Outbox:
    """Collects frames for one write. DATA waits here for windows and the socket; streams that wait take turns."""

    def __init__(self, *, burst: int, closed: Callable[[Stream], None]) -> None:
        """Prepare.

        Args:
            burst: how many bytes of data become frames at once.
            closed: what to call once the end of a stream's answer has become a frame.
        """
        self._burst = burst
        self._closed = closed
        self._frames: list[bytes | memoryview] = []
        self.waiting: deque[Stream] = deque()
        """Those that have data for which there was no room yet, the next in turn first."""
        self.window = DEFAULT_WINDOW
        """How many bytes of data the peer takes on all streams."""
        self.max_frame = DEFAULT_FRAME
        self.is_paused = False
        """Whether the socket has as much as it may have."""
        self.unsent = 0
        """Bytes of data of all streams that wait."""
        self.data_frames = 0
        """How many were sent after waiting."""

    def put(self, whole: bytes) -> None:
        """Send a frame that no window holds back."""
        self._frames.append(whole)

    def is_flooded(self) -> bool:
        """Tell whether the peer has frames pile up that it asks for and does not read."""
        return self.is_paused and len(self._frames) > _MAX_FRAMES

    def answer(self, stream: Stream, message: bytes, end: bytes) -> None:
        """Send a whole answer: head, message, and `end`, the frame of its trailers."""
        size = len(message) + PREFIX_BYTES
        if not stream.head_sent and self._fits(stream, size):
            self.window -= size
            self._frames += (
                _HEAD_AND_PREFIX.pack(
                    _SIZE >> 8, _SIZE & 0xFF, HEADERS, END_HEADERS, stream.id, ANSWER_HEAD,
                    size >> 8, size & 0xFF, DATA, 0, stream.id, 0, size - PREFIX_BYTES,
                ),
                message,
                end,
            )  # fmt: skip
            stream.finishing = True
            self._closed(stream)
        else:
            self.message(stream, message)
            self.end(stream, end)

    def message(self, stream: Stream, message: bytes) -> None:
        """Send a message, after the head of the answer where that was not sent."""
        if not stream.head_sent:
            stream.head_sent = True
            self._whole(stream, frame(HEADERS, END_HEADERS, stream.id, ANSWER_HEAD))
        size = len(message) + PREFIX_BYTES
        if self._fits(stream, size):
            self.window -= size
            stream.window -= size
            self._frames += (HEADER.pack(size >> 8, size & 0xFF, DATA, 0, stream.id), prefixed(b"")[:1],
                             (size - PREFIX_BYTES).to_bytes(4, "big"), message)  # fmt: skip
            return
        self._line_up(stream)
        assert stream.pending is not None  # noqa: S101 - `_line_up` made it
        stream.pending.append(memoryview(b"\0" + len(message).to_bytes(4, "big")))
        stream.pending.append(memoryview(message))
        stream.unsent += size
        self.unsent += size

    def end(self, stream: Stream, end: bytes) -> None:
        """Send the last frame of an answer after what waits of it."""
        stream.finishing = True
        self._whole(stream, end)
        if not stream.pending:
            self._closed(stream)

    def forget(self, stream: Stream) -> None:
        """Send nothing more of a stream."""
        self.unsent -= stream.unsent
        stream.unsent = 0
        if stream.pending:
            stream.pending.clear()
        stream.wake()

    def widen(self, stream: Stream, increment: int) -> bool:
        """Let a stream send more; tell whether it can be so much."""
        stream.window += increment
        if stream.window > LARGEST_WINDOW:
            return False
        if stream.pending and stream not in self.waiting:
            self.waiting.append(stream)
        return True

    def take(self) -> bytes:
        """Return what can be sent now, and has been as far as this knows."""
        if self.waiting and not self.is_paused:
            self._frame_data()
        if not self._frames:
            return b""
        data = b"".join(self._frames)
        self._frames.clear()
        return data

    def _fits(self, stream: Stream, size: int) -> bool:
        return (
            size <= stream.window
            and size <= self.window
            and size <= self.max_frame
            and not self.is_paused
            and not self.waiting
            and not stream.pending
        )

    def _whole(self, stream: Stream, whole: bytes) -> None:
        if stream.pending:
            stream.pending.append(whole)
        else:
            self.put(whole)

    def _line_up(self, stream: Stream) -> None:
        if stream.pending is None:
            stream.pending = deque()
        if not stream.pending:
            self.waiting.append(stream)

    def _frame_data(self) -> None:
        """Make frames of what waits, a frame of each stream in turn, until something is exhausted."""
        room = self._burst
        while self.waiting and room > 0:
            stream = self.waiting.popleft()
            if not stream.pending:  # its stream was reset
                continue
            sent = self._frame_of(stream)
            room -= sent
            if not stream.pending:
                stream.wake()
                if stream.finishing:
                    self._closed(stream)
            elif sent or self.window <= 0:
                self.waiting.append(stream)
            if not sent and self.window <= 0:
                break

    def _frame_of(self, stream: Stream) -> int:
        """Make one frame of a stream's data, and what whole frames come after; return its size, 0 where it may not."""
        pending = stream.pending
        assert pending is not None  # noqa: S101 - who calls looked
        room = size = min(stream.window, self.window, self.max_frame, _MAX_FRAME)
        parts: list[memoryview] = []
        while room > 0 and pending and isinstance(pending[0], memoryview):
            piece = pending[0]
            parts.append(piece[:room])
            if len(piece) <= room:
                pending.popleft()
            else:
                pending[0] = piece[room:]
            room -= len(parts[-1])
        if parts:
            size -= room
            self.data_frames += 1
            stream.window -= size
            self.window -= size
            stream.unsent -= size
            self.unsent -= size
            self._frames += (HEADER.pack(size >> 8, size & 0xFF, DATA, 0, stream.id), *parts)
        while pending and isinstance(pending[0], bytes):
            self._frames.append(pending.popleft())
        return size if parts else 0


def last_frame(stream: Stream, block: bytes) -> bytes:
    """Return the frame that ends an answer."""
    size = len(block)
    return HEADER.pack(size >> 8, size & 0xFF, HEADERS, _END, stream.id) + block
