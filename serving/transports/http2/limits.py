"""What one peer may take of the server, and how long it may take over it."""

from dataclasses import dataclass

_MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of the transport; docs/transport.md says what happens at each. Times are seconds, 0 is for ever.

    The defaults let every ordinary client through, at any speed, and bound what all connections can take together.
    """

    # How many.
    max_connections: int = 1000
    """Further ones are closed as they come; an idle one makes room."""
    max_concurrent_streams: int = 1000
    """Calls of one connection; further ones are refused as retryable."""
    max_calls: int = 10_000
    """Calls of all connections."""

    # How large.
    max_header_list_bytes: int = 16 << 10
    """Of a request; at twice as much the connection ends."""
    max_frame_bytes: int = 64 << 10
    stream_window: int = 1 * _MEBIBYTE
    """What of one call may be under way or unread."""
    connection_window: int = 16 * _MEBIBYTE
    """What of all calls of a connection may be under way."""
    max_held_bytes: int = 512 * _MEBIBYTE
    """Requests of one connection that are not whole yet, or not read."""
    max_unsent_bytes: int = 64 * _MEBIBYTE
    """Answers that one connection has not taken; with more, its new calls are refused."""
    write_buffer_bytes: int = 256 << 10
    """What is handed to the socket and not sent; with more, no data follows."""

    # How often: tokens at the start, and how many come back in a second.
    useless_frames: int = 2000
    useless_frames_per_second: int = 100
    resets: int = 1000
    """Calls that the client ended before their answer."""
    resets_per_second: int = 100

    # How long.
    handshake_seconds: float = 10.0
    """Until TLS, the preface and the first SETTINGS have come."""
    frame_seconds: float = 30.0
    """Until a frame, or all frames of a header block, are whole."""
    stall_seconds: float = 60.0
    """Without a byte, of a request that has begun, or taken of an answer that waits."""
    idle_seconds: float = 3600.0
    """Without a call."""
    keepalive_seconds: float = 7200.0
    """Without a byte, after which a PING asks whether the client is there."""
    keepalive_timeout_seconds: float = 20.0
    """For its answer."""
    max_age_seconds: float = 0.0
    """Of a connection; a tenth more or less, so that not all end at once."""
    age_grace_seconds: float = 0.0
    """How long calls of a connection that is too old may take to end."""
    linger_seconds: float = 2.0
    """How long a connection that was told to end may take to do so."""

    def shortest(self) -> float:
        """Return the shortest time that has to be watched."""
        return min(
            each
            for each in (
                self.handshake_seconds,
                self.frame_seconds,
                self.stall_seconds,
                self.idle_seconds,
                self.keepalive_seconds,
                self.keepalive_timeout_seconds,
                self.max_age_seconds,
                self.age_grace_seconds,
                self.linger_seconds,
            )
            if each > 0
        )
