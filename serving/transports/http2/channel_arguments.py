"""Options of gRPC's library, as far as this transport has something of the kind."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace

from serving.status import ServerError
from serving.transports.http2.limits import Limits

logger = logging.getLogger(__name__)

_FOR_EVER = (1 << 31) - 1
_MILLISECONDS = {
    "grpc.keepalive_time_ms": "keepalive_seconds",
    "grpc.keepalive_timeout_ms": "keepalive_timeout_seconds",
    "grpc.max_connection_age_ms": "max_age_seconds",
    "grpc.max_connection_age_grace_ms": "age_grace_seconds",
    "grpc.max_connection_idle_ms": "idle_seconds",
    "grpc.server_handshake_timeout_ms": "handshake_seconds",
}
_NUMBERS = {
    "grpc.http2.max_frame_size": "max_frame_bytes",
    "grpc.max_concurrent_streams": "max_concurrent_streams",
    "grpc.max_metadata_size": "max_header_list_bytes",
}
_MESSAGE, _REUSE_PORT = "grpc.max_receive_message_length", "grpc.so_reuseport"


@dataclass(frozen=True)
class ChannelArguments:
    """What the options come to."""

    limits: Limits
    max_message_bytes: int
    reuse_port: bool = False

    @classmethod
    def read(cls, arguments: Mapping[str, int | str], *, max_message_bytes: int) -> "ChannelArguments":
        """Read options, and warn of those that do nothing here. Raises ServerError on a value that is no number."""
        changes: dict[str, float] = {}
        default = Limits()
        reuse_port = False
        for name, value in arguments.items():
            if name in _MILLISECONDS:
                milliseconds = _number(name, value)
                changes[_MILLISECONDS[name]] = 0.0 if milliseconds >= _FOR_EVER else milliseconds / 1000
            elif name in _NUMBERS:
                changes[_NUMBERS[name]] = _number(name, value)
            elif name == _MESSAGE:
                number = int(value)
                max_message_bytes = number if number >= 0 else _FOR_EVER
            elif name == _REUSE_PORT:
                reuse_port = bool(_number(name, value))
            else:
                logger.warning("%s does nothing with the transport asyncio", name)
        changes["max_held_bytes"] = max(default.max_held_bytes, 2 * max_message_bytes)
        return cls(replace(default, **changes), max_message_bytes, reuse_port)  # type: ignore[arg-type]


def _number(name: str, value: int | str) -> int:
    if not isinstance(value, int) or value < 0:
        raise ServerError(f"grpc_channel_arguments: {name}={value}: expected a number, 0 or more")
    return value
