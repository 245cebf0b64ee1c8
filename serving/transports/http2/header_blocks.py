"""Header blocks (HPACK, RFC 7541), decoded once and then known by their bytes."""

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
    was: a block that changes the table is itself never remembered, and makes all others be forgotten.
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

    def decode(self, block: bytes) -> T:
        """Return what `make` makes of a block. Raises what it raises, and ConnectionFault where this is no HPACK."""
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._table.changes
        fields = self._fields(block)
        if self._table.changes != before:
            self._known.clear()
            return self._make(fields)
        made = self._make(fields)
        if len(block) <= _MAX_KNOWN_BYTES:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            self._known[block] = made
        return made

    def _fields(self, block: bytes) -> Fields:
        try:
            return [(bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True)]
        except hpack.OversizedHeaderListError as error:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "far too many header fields") from error
        except hpack.HPACKError as error:
            raise ConnectionFault(ErrorCode.COMPRESSION_ERROR, "a header block that is no HPACK") from error
