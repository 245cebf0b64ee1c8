"""Status codes of gRPC as HTTP has them, and what an error looks like.

Source: the mapping of TensorFlow Serving (model_servers/http_server.cc), which is that of google/rpc/code.proto but for
UNKNOWN and CANCELLED.
"""

import json

from serving.status import Code, StatusError

HTTP_STATUS: dict[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.UNAUTHENTICATED: 401,
}

PAYLOAD_TOO_LARGE = 413
METHOD_NOT_ALLOWED = 405
UNSUPPORTED_MEDIA_TYPE = 415


class HttpError(StatusError):
    """Ends a request with a status that gRPC has no code for."""

    def __init__(self, status: int, code: Code, message: str) -> None:
        super().__init__(code, message)
        self.status = status


def status_of(error: StatusError) -> int:
    """Return the HTTP status of an error."""
    return error.status if isinstance(error, HttpError) else HTTP_STATUS.get(error.code, 500)


def error_body(message: str) -> bytes:
    """Return what both APIs answer where something went wrong."""
    return json.dumps({"error": message}).encode()
