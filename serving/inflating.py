"""gzip and deflate, unpacked a few megabytes at a time: what becomes too much is stopped before it is."""

import io
import zlib
from collections.abc import Callable

from serving.offload import SMALL, Offload
from serving.status import StatusError

_STEP = 4 << 20
"""Bytes that are unpacked before they are counted."""
_PIECE = 64 << 10
"""Bytes that are given to zlib, which copies those that it does not come to."""


class CutOffError(Exception):
    """The end is missing."""


class TooMuchError(Exception):
    """It becomes larger than it may."""


class Inflater:
    """Unpacks one buffer. For one thread at a time."""

    def __init__(self, packed: bytes, window_bits: int, max_bytes: int) -> None:
        """Begin; `window_bits` tells zlib the format, and what becomes more than `max_bytes` is refused."""
        self._packed = memoryview(packed)
        self._most = max_bytes
        self._reader = zlib.decompressobj(window_bits)
        self._at = 0
        self._piece: bytes | memoryview = b""
        self._plain = io.BytesIO()
        self._size = 0

    @property
    def has_more(self) -> bool:
        """Whether something follows the end."""
        return bool(self._reader.unused_data) or self._at < len(self._packed)

    def step(self) -> int:
        """Unpack a few megabytes more, and return how many bytes that were; 0 at the end.

        Raises:
            zlib.error: the bytes are not of the format.
            CutOffError, TooMuchError: see there.
        """
        before = self._size
        while not self._reader.eof and self._size - before < _STEP:
            self._inflate()
        return self._size - before

    def plain(self) -> bytes:
        """Return what was unpacked; not copied."""
        return self._plain.getvalue()

    def _inflate(self) -> None:
        if not self._piece:
            self._piece = self._packed[self._at : self._at + _PIECE]
            self._at += len(self._piece)
        more = self._reader.decompress(self._piece, min(_STEP, self._most + 1 - self._size))
        if not more and not self._piece and not self._reader.eof:
            raise CutOffError
        self._piece = self._reader.unconsumed_tail
        self._size += self._plain.write(more)
        if self._size > self._most:
            raise TooMuchError


async def inflate(inflater: Inflater, offload: Offload, take: Callable[[int], StatusError | None]) -> bytes:
    """Return what a buffer unpacks to.

    Args:
        inflater: it.
        offload: steps are done in a thread.
        take: told of every few megabytes as they are there; returns the error that ends it.

    Raises:
        StatusError: that of `take`.
        zlib.error, CutOffError, TooMuchError: as Inflater.step.
    """
    while size := await offload.run(SMALL + 1, inflater.step):
        error = take(size)
        if error is not None:
            raise error
    return inflater.plain()
