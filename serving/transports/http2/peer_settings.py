"""What a client's SETTINGS say (RFC 9113, section 6.5.2)."""

from collections.abc import Iterable

from serving.transports.http2.errors import ConnectionFault, ErrorCode
from serving.transports.http2.frames import (
    DEFAULT_FRAME,
    ENABLE_PUSH,
    INITIAL_WINDOW_SIZE,
    LARGEST_FRAME,
    LARGEST_WINDOW,
    MAX_FRAME_SIZE,
)
from serving.transports.http2.session import Session


def apply(settings: Iterable[tuple[int, int]], session: Session) -> None:
    """Have a session keep to what its client asks for. Raises ConnectionFault on a value that cannot be.

    The size of the header table is of no account: answers use none. Settings that are not known are passed over.
    """
    for name, value in settings:
        if name == INITIAL_WINDOW_SIZE:
            if value > LARGEST_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, f"an initial window of {value} bytes")
            session.resize_windows(value)
        elif name == MAX_FRAME_SIZE:
            if not DEFAULT_FRAME <= value <= LARGEST_FRAME:
                raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"frames of {value} bytes at most")
            session.outbox.max_frame = value
        elif name == ENABLE_PUSH and value > 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, f"ENABLE_PUSH {value}")
