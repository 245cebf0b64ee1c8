"""Header blocks (HPACK, RFC 7541), decoded once and then known by their bytes."""

import re
from collections.abc import Callable
from typing import Generic, TypeVar

import hpack
from hpack.table import HeaderTable

from serving.transports.http2.errors import ConnectionFault, ErrorCode

T = TypeVar("T")
Fields = list[tuple[bytes, bytes]]

_MAX_KNOWN = 256
"""Blocks that are remembered; with blocks of `_MAX_KNOWN_BYTES` at most, they bound the memory of a connection."""
_MAX_KNOWN_BYTES = 1024
_INDEXED = re.compile(rb"[\x81-\xfe]*")
"""Fields that are a byte each: what is the same in all calls of a client, before what is not."""


class _CountedTable(HeaderTable):
    """A dynamic table that counts what may have changed it."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def add(self, name: bytes, value: bytes) -> None:
        self.changes += 1
        super().add(name, value)

    @property
    def maxsize(self) -> int:
        return self._maxsize

    @maxsize.setter
    def maxsize(self, newmax: int) -> None:
        self.changes += 1
        HeaderTable.maxsize.fset(self, newmax)  # type: ignore[attr-defined]


class HeaderBlocks(Generic[T]):
    """Decodes the blocks of one connection and makes something of each. Blocks have to come in the order of the wire.

    A client sends the same block again and again. What was made of it is remembered as long as the dynamic table is as it
    was: a block that changes the table is itself never remembered, and makes all others be forgotten. The fields that a
    block begins with are remembered too, for clients that send something else with every call, such as the id of a trace.
    """

    def __init__(self, make: Callable[[Fields], T], *, max_list_bytes: int) -> None:
        """Prepare.

        Args:
            make: what to make of the fields; may raise, and is then asked again the next time.
            max_list_bytes: size of the decoded fields at which the connection ends.
        """
        self._make = make
        self._table = _CountedTable()
        self._decoder = hpack.Decoder(max_list_bytes)
        self._decoder.header_table = self._table
        self._known: dict[bytes, T] = {}
        self._beginnings: dict[bytes, Fields] = {}

    def decode(self, block: bytes) -> T:
        """Return what `make` makes of a block. Raises what it raises, and ConnectionFault where this is no HPACK."""
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._table.changes
        fields = self._fields(block)
        if self._table.changes != before:
            self._known.clear()
            self._beginnings.clear()
            return self._make(fields)
        made = self._make(fields)
        if len(block) <= _MAX_KNOWN_BYTES:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[block] = made
        return made

    def _fields(self, block: bytes) -> Fields:
        try:
            stop = _INDEXED.match(block).end()  # type: ignore[union-attr]  # it matches everything
            if not 0 < stop < len(block) or _is_resize(block[stop]):
                return self._decoded(block)
            beginning = self._beginnings.get(block[:stop])
            if beginning is None:
                if len(self._beginnings) >= _MAX_KNOWN:
                    self._beginnings.clear()
                beginning = self._beginnings[block[:stop]] = self._decoded(block[:stop])
            return beginning + self._decoded(block[stop:])
        except hpack.OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "far too many header fields") from error
        except hpack.HPACKError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a header block that is no HPACK") from error

    def _decoded(self, block: bytes) -> Fields:
        return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]


def _is_resize(byte: int) -> bool:
    """Tell whether a size of the table begins, which may only stand at the start of a block."""
    return byte & 0xE0 == 0x20
