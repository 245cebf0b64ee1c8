"""How a client tells that a call ended without an answer."""

from typing import Any

from zoo.errors import ZooError

_CLOSED_AT_ONCE = ("Socket closed", "Connection reset by peer")  # in the library's words
_ASKS_FOR_TLS = "does it ask for TLS (--tls-roots), or for a certificate of yours (--tls-chain, --tls-key)?"


class CallError(ZooError):
    """A call ended without an answer."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        """The gRPC status, such as `INVALID_ARGUMENT`."""
        self.details = details
        """What the server, or the connection, said."""


class UnreachableError(CallError):
    """No server answers at the address: UNAVAILABLE, by nobody's word."""


def to_call_error(error: Any, target: str) -> CallError:
    """Return what gRPC's library raised as a CallError that names the server."""
    code, details = error.code().name, error.details() or ""
    if code == "UNAVAILABLE" and not error.trailing_metadata():  # a server's own answer brings some
        asks = f": {_ASKS_FOR_TLS}" if any(each in details for each in _CLOSED_AT_ONCE) else ""
        return UnreachableError(code, f"no server answers at {target} ({details}){asks}")
    if code == "DEADLINE_EXCEEDED":
        details = f"no answer from {target} in time ({details})"
    return CallError(code, details)
