"""Frames of HTTP/2 as bytes (RFC 9113, sections 4 and 6)."""

import struct
from collections.abc import Iterable

from serving.transports.http2.errors import ConnectionFault, ErrorCode

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
WITH_PRIORITY = 0x20

HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE = (
    range(1, 7)
)

HEADER_BYTES = 9
DEFAULT_WINDOW = 65_535
DEFAULT_FRAME = 16_384
LARGEST_WINDOW = LAST_STREAM = (1 << 31) - 1
LARGEST_FRAME = (1 << 24) - 1

HEADER = struct.Struct(">HBBBI")
"""Length (its upper 16 bits, its lower 8), type, flags, stream."""
_U32 = struct.Struct(">I")
_SETTING = struct.Struct(">HI")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    size = len(payload)
    return HEADER.pack(size >> 8, size & 0xFF, kind, flags, stream_id) + payload


def settings_frame(settings: Iterable[tuple[int, int]]) -> bytes:
    """Return SETTINGS."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*each) for each in settings))


def window_update(stream_id: int, increment: int) -> bytes:
    """Return WINDOW_UPDATE; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, _U32.pack(increment))


def rst_stream(stream_id: int, code: ErrorCode) -> bytes:
    """Return RST_STREAM."""
    return frame(RST_STREAM, 0, stream_id, _U32.pack(code))


def goaway(last_stream: int, code: ErrorCode, text: str = "") -> bytes:
    """Return GOAWAY."""
    return frame(GOAWAY, 0, 0, _U32.pack(last_stream) + _U32.pack(code) + text.encode())


def read_u31(payload: bytes) -> int:
    """Return the number of a WINDOW_UPDATE, its reserved bit left out."""
    return int.from_bytes(payload, "big") & LARGEST_WINDOW


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Return the pairs of a SETTINGS frame, whose length is a multiple of six."""
    return list(_SETTING.iter_unpack(payload))


def without_padding(flags: int, payload: bytes) -> bytes:
    """Return what a DATA or HEADERS frame carries. Raises ConnectionFault where the padding is longer than the frame."""
    if not flags & PADDED:
        return payload
    if not payload:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "a padded frame without the length of its padding")
    stop = len(payload) - payload[0]
    if stop < 1:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "more padding than frame")
    return payload[1:stop]
