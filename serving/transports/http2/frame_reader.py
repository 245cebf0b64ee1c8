"""Bytes as they come, cut into frames."""

from collections.abc import Iterator

from serving.transports.http2.errors import ConnectionFault, ErrorCode
from serving.transports.http2.frames import HEADER, HEADER_BYTES, LAST_STREAM

Frame = tuple[int, int, int, bytes]
"""Type, flags, stream, payload."""


class FrameReader:
    """Keeps the frame that is not whole yet, and no more than that. Belongs to one connection."""

    def __init__(self, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._partial = bytearray()

    @property
    def is_amid_frame(self) -> bool:
        """Whether a frame has begun to come."""
        return bool(self._partial)

    def read(self, data: bytes | memoryview) -> Iterator[Frame]:
        """Return the frames that are whole now. Raises ConnectionFault on one that is too large.

        A memoryview has to stay as it is until the last frame was taken.
        """
        position = 0
        if self._partial:
            position = self._extend(data)
            if position < 0:
                return
            whole = bytes(self._partial)
            self._partial.clear()
            high, low, kind, flags, stream_id = HEADER.unpack_from(whole)
            yield kind, flags, stream_id & LAST_STREAM, whole[HEADER_BYTES:]
        end, most = len(data), self._max
        while end - position >= HEADER_BYTES:
            high, low, kind, flags, stream_id = HEADER.unpack_from(data, position)
            size = high << 8 | low
            if size > most:
                self._checked(size)
            stop = position + HEADER_BYTES + size
            if stop > end:
                break
            yield kind, flags, stream_id & LAST_STREAM, bytes(data[position + HEADER_BYTES : stop])
            position = stop
        if position < end:
            self._partial += data[position:]

    def _extend(self, data: bytes | memoryview) -> int:
        """Complete the partial frame; return how much of `data` went into it, or -1 where it is not whole yet."""
        taken = 0
        if len(self._partial) < HEADER_BYTES:
            taken = HEADER_BYTES - len(self._partial)
            self._partial += data[:taken]
            if len(self._partial) < HEADER_BYTES:
                return -1
        size = self._checked(int.from_bytes(self._partial[:3], "big"))
        missing = HEADER_BYTES + size - len(self._partial)
        self._partial += data[taken : taken + missing]
        return taken + missing if len(data) - taken >= missing else -1

    def _checked(self, size: int) -> int:
        if size > self._max:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, f"a frame of {size} bytes; the limit is {self._max}")
        return size
