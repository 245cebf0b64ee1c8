"""How a call ends: gRPC's status codes and the error that carries one, known to no transport."""

from enum import IntEnum

from zoo.errors import ZooError


class Code(IntEnum):
    """The canonical status codes that this server uses (google/rpc/code.proto)."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


class StatusError(ZooError):
    """Ends a call with a code and a message that is fit for the caller to read."""

    def __init__(self, code: Code, message: str, *, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        """The part of the request that is wrong, as a path: `inputs["x"]`."""
        self.retry_after = retry_after
        """Seconds after which the same request may be answered."""


def invalid(message: str, *, field: str | None = None) -> StatusError:
    """Return the error for a request that cannot be answered as it is; `field` is the path of what is wrong in it."""
    return StatusError(Code.INVALID_ARGUMENT, message, field=field)


class ServerError(ZooError):
    """The server cannot start, or cannot load what it was asked to."""
