"""How a call ends badly, in the same words whatever the transport."""

import logging

from serving.status import Code, StatusError

logger = logging.getLogger(__name__)

_MAX_DETAILS = 2000  # details travel in a header, and clients limit headers to 8 kB
_MAX_ENCODED = 1300  # bytes of a text that is not ASCII, each of which may become three


def status_of(error: Exception, path: str) -> StatusError:
    """Return what a caller is told of what a handler raised; what is no StatusError is the log's to tell."""
    if isinstance(error, StatusError):
        return error
    logger.error("%s failed", path, exc_info=error)
    return StatusError(Code.INTERNAL, "internal error; the server's log tells more")


def short_text(error: StatusError) -> str:
    """Return a message that fits into a header."""
    text = error.message[:_MAX_DETAILS]
    if not text.isascii():
        text = text.encode(errors="replace")[:_MAX_ENCODED].decode(errors="ignore")
    return text if len(text) == len(error.message) else text + " ..."


def too_large_for_method(size: int, max_bytes: int) -> StatusError:
    """Return the error for a request that is larger than its method takes."""
    return StatusError(Code.RESOURCE_EXHAUSTED, f"a request of {size} bytes; this method takes {max_bytes} at most")


def shutting_down() -> StatusError:
    """Return the error for a call that the end of the server cuts off."""
    return StatusError(Code.UNAVAILABLE, "the server is shutting down")
