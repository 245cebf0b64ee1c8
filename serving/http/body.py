"""Bodies: read within limits of size and time, decompressed within the same limit, compressed where the client takes it."""

import asyncio
import io
import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from serving.http.call import whole_number
from serving.http.held_body import HeldBody
from serving.http.statuses import PAYLOAD_TOO_LARGE, UNSUPPORTED_MEDIA_TYPE, HttpError
from serving.inflating import CutOffError, Inflater, TooMuchError, inflate
from serving.offload import Offload
from serving.status import Code, StatusError, invalid

Receive = Callable[[], Awaitable[Mapping[str, Any]]]

WORTH_COMPRESSING = 1 << 14
"""Bytes; a shorter answer travels in a few packets as it is."""
FIRST_SECONDS = 10.0
_SLOWEST = 1 << 14  # bytes a second: who sends slower holds the connection for its own sake
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_GZIP = zlib.MAX_WBITS | 16
_FASTEST = 1


class ClientGoneError(Exception):
    """Whoever asked has closed the connection."""


async def read_body(receive: Receive, declared: str, max_bytes: int, held: HeldBody) -> bytes:
    """Read the body of a request.

    Args:
        receive: as ASGI gives it.
        declared: the header `content-length`, maybe empty.
        max_bytes: what is longer is refused, unread where its length is declared.
        held: counts it.

    Raises:
        StatusError: it is too long, or comes too slowly, or too much is held already.
        ClientGoneError: it will never come.
    """
    expected = whole_number(declared)
    if expected is not None and expected > max_bytes:
        raise too_large(expected, max_bytes)
    body, size = io.BytesIO(), 0  # which gives its bytes away without a copy
    loop = asyncio.get_running_loop()
    started = loop.time()
    try:
        async with asyncio.timeout_at(started + FIRST_SECONDS) as limit:
            held.begin(limit)
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientGoneError
                chunk = message.get("body", b"")
                size += len(chunk)
                if size > max_bytes:
                    raise too_large(size, max_bytes)
                if (error := held.take(len(chunk))) is not None:
                    raise error
                body.write(chunk)
                if not message.get("more_body", False):
                    held.is_whole = True
                    return body.getvalue()
                limit.reschedule(started + FIRST_SECONDS + size / _SLOWEST)
    except TimeoutError:
        if held.has_made_room:
            raise held.full() from None
        raise HttpError(
            408,
            Code.DEADLINE_EXCEEDED,
            f"the body came too slowly: {size} bytes in {loop.time() - started:.0f} s, expected {_SLOWEST} a second",
        ) from None


def too_large(size: int, max_bytes: int) -> StatusError:
    """Return the error for a body over the limit."""
    return HttpError(
        PAYLOAD_TOO_LARGE,
        Code.RESOURCE_EXHAUSTED,
        f"the body takes {size} bytes or more, this server's limit for the path is {max_bytes}: send fewer rows at a "
        "time, or start the server with a larger --max_message_bytes",
    )


async def decompress(body: bytes, encoding: str, max_bytes: int, offload: Offload, held: HeldBody) -> bytes:
    """Return a body as it was before it was compressed.

    Args:
        body: as it came.
        encoding: the header `content-encoding`: gzip, deflate, identity or empty.
        max_bytes: the largest it may become.
        offload: it is decompressed in a thread.
        held: counts what it becomes.

    Raises:
        StatusError: the encoding is another, the body is not of it, or becomes too large, or too much is held already.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise HttpError(
            UNSUPPORTED_MEDIA_TYPE,
            Code.INVALID_ARGUMENT,
            f"Content-Encoding {encoding[:40]!r} is not supported: expected gzip, deflate or none",
        )
    try:
        return await inflate(Inflater(body, _GZIP_OR_ZLIB, max_bytes), offload, held.take)
    except zlib.error as error:
        raise invalid(f"the body cannot be decompressed: {error}") from None
    except TooMuchError:
        raise too_large(max_bytes + 1, max_bytes) from None
    except CutOffError:
        raise invalid("the body cannot be decompressed: it is cut short") from None


async def compress(body: bytes, offload: Offload) -> bytes:
    """Return a body as gzip."""

    def work() -> bytes:
        writer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP)
        return writer.compress(body) + writer.flush()

    return await offload.run(len(body) * 8, work)


def takes_gzip(accepted: str) -> bool:
    """Tell whether the header `accept-encoding` names gzip, and not with a weight of 0."""
    for part in accepted.lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
