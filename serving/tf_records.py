"""TFRecord files without TensorFlow: a record is a length, its checksum, the content and the content's checksum.

Source: tensorflow/core/lib/io/record_writer.h. Numbers are little-endian; checksums are CRC-32C, rotated and offset.
"""

import contextlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import google_crc32c

from serving.status import ServerError

_HEAD = struct.Struct("<QI")
_CHECKSUM = struct.Struct("<I")
_DELTA = 0xA282EAD8


def read_records(path: Path, *, max_bytes: int) -> Iterator[bytes]:
    """Give the records of a file.

    Args:
        path: of the file.
        max_bytes: refuse a record that says it is larger.

    Raises:
        ServerError: the file cannot be read, is no TFRecord file, is cut short or damaged; the message tells the place.
    """
    try:
        with path.open("rb") as file:
            yield from _records(path, file, max_bytes)
    except OSError as error:
        raise ServerError(f"cannot read {path}: {error.strerror}") from None


def _records(path: Path, file: BinaryIO, max_bytes: int) -> Iterator[bytes]:
    number = 0
    while head := file.read(_HEAD.size):
        place = f"{path}, record {number}"
        if len(head) < _HEAD.size:
            raise ServerError(f"{place} is cut short")
        length, checksum = _HEAD.unpack(head)
        if checksum != _masked(head[:8]):
            raise ServerError(
                f"{place}: the checksum of its length is wrong: this is no TFRecord file, or a damaged one"
            )
        if length > max_bytes:
            raise ServerError(f"{place} has {length} bytes, the limit is {max_bytes}")
        content, tail = file.read(length), file.read(_CHECKSUM.size)
        if len(content) < length or len(tail) < _CHECKSUM.size:
            raise ServerError(f"{place} is cut short")
        if _CHECKSUM.unpack(tail)[0] != _masked(content):
            raise ServerError(f"{place}: its checksum is wrong: the file is damaged")
        yield content
        number += 1


class RecordWriter:
    """Writes a TFRecord file. For one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Begin a new file, or one that replaces what was there. Raises OSError."""
        self._path = path
        self._file = path.open("wb")
        self.bytes = 0
        """Written so far."""
        self._flushed = 0

    def write(self, content: bytes) -> None:
        """Add a record. Raises OSError."""
        head = struct.pack("<Q", len(content))
        record = head + _CHECKSUM.pack(_masked(head)) + content + _CHECKSUM.pack(_masked(content))
        self._file.write(record)
        self.bytes += len(record)

    def flush(self) -> None:
        """Have the file hold what was written. Raises OSError."""
        self._file.flush()
        self._flushed = self.bytes

    def close(self) -> None:
        """End the file. Raises OSError."""
        self._file.close()
        self._flushed = self.bytes

    def abandon(self) -> None:
        """End a file that could not be written to: it keeps its whole records, and goes where there are none."""
        for step in (self._file.close, self._keep_whole):
            with contextlib.suppress(OSError):
                step()

    def _keep_whole(self) -> None:
        if self._flushed:
            os.truncate(self._path, self._flushed)
        else:
            self._path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _masked(content: bytes) -> int:
    checksum = google_crc32c.value(content)
    return ((checksum >> 15 | checksum << 17) + _DELTA) & 0xFFFFFFFF
