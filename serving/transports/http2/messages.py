"""gRPC's messages in the bytes of a stream: a flag, a length, the message."""

import io
import zlib
from collections.abc import Callable

from serving.inflating import CutOffError, Inflater, TooMuchError, inflate
from serving.offload import Offload
from serving.status import Code, StatusError

PREFIX_BYTES = 5
ACCEPTED = "identity,deflate,gzip"
"""Encodings of requests that are understood."""
_WINDOW_BITS = {"gzip": 31, "deflate": 15}
_IDENTITY = "identity"


def prefixed(message: bytes) -> bytes:
    """Return a message as it is sent: uncompressed."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def too_large(size: int, limit: int) -> StatusError:
    """Return the error for a message over the transport's limit, in the words of gRPC's library."""
    return StatusError(Code.RESOURCE_EXHAUSTED, f"SERVER: Received message larger than max ({size} vs. {limit})")


def cut_off() -> StatusError:
    """Return the error for a request that ends where a message has not."""
    return StatusError(Code.INTERNAL, "the request ends within a message")


class MessageReader:
    """Cuts the bytes of one stream into messages. Holds the one that is not whole, and takes no memory for it in advance."""

    def __init__(self, check: Callable[[int], None]) -> None:
        """Begin; `check` is told the size of every message before it is read, and raises StatusError to refuse it."""
        self._check = check
        self._prefix = bytearray()
        self._message = io.BytesIO()  # gives its bytes away without a copy: to join many pieces would hold up the loop
        self._missing = 0

    @property
    def is_amid_message(self) -> bool:
        """Whether a message has begun and is not whole."""
        return bool(self._prefix)

    def feed(self, data: bytes) -> list[tuple[bool, bytes]]:
        """Return the messages that are whole now, each with whether it is compressed.

        Raises:
            StatusError: a message is too large, or its flag is none.
        """
        messages = []
        position, size = 0, len(data)
        while position < size:
            if len(self._prefix) < PREFIX_BYTES:
                taken = data[position : position + PREFIX_BYTES - len(self._prefix)]
                self._prefix += taken
                position += len(taken)
                if len(self._prefix) < PREFIX_BYTES:
                    break
                self._begin()
            piece = data[position : position + self._missing]
            position += len(piece)
            self._missing -= len(piece)
            self._message.write(piece)
            if not self._missing:
                messages.append((self._prefix[0] == 1, self._message.getvalue()))
                self._message = io.BytesIO()
                self._prefix.clear()
        return messages

    def _begin(self) -> None:
        flag, self._missing = self._prefix[0], int.from_bytes(self._prefix[1:], "big")
        if flag > 1:
            raise StatusError(Code.INTERNAL, f"a message with the flag {flag}: expected 0 or 1")
        self._check(self._missing)


async def decompress(
    message: bytes, encoding: str, max_bytes: int, offload: Offload, take: Callable[[int], StatusError | None]
) -> bytes:
    """Return a message that was marked as compressed, of `max_bytes` at most, whatever it would become.

    Args:
        message: as it came.
        encoding: the header `grpc-encoding`.
        max_bytes: the largest it may become.
        offload: does the work.
        take: see `inflate`.

    Raises:
        StatusError: the encoding is not known, the message is none of it, or it becomes too large; or that of `take`.
    """
    if encoding == _IDENTITY:
        raise StatusError(Code.INTERNAL, "a message is marked as compressed, and grpc-encoding does not say how")
    bits = _WINDOW_BITS.get(encoding)
    if bits is None:
        raise StatusError(
            Code.UNIMPLEMENTED, f"messages compressed as {encoding[:40]!r} are not understood, but {ACCEPTED}"
        )
    inflater = Inflater(message, bits, max_bytes)
    try:
        plain = await inflate(inflater, offload, take)
    except zlib.error as error:
        raise StatusError(Code.INTERNAL, f"a message that is no {encoding}: {error}") from None
    except TooMuchError:
        raise StatusError(
            Code.RESOURCE_EXHAUSTED, f"SERVER: Received message larger than max once decompressed ({max_bytes})"
        ) from None
    except CutOffError:
        raise StatusError(Code.INTERNAL, f"a message that is no {encoding}: it is cut off") from None
    if inflater.has_more:
        raise StatusError(Code.INTERNAL, f"a message that is no {encoding}: something follows its end")
    return plain
