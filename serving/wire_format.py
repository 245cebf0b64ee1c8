"""Protobuf's wire format, as far as messages are looked at before they are parsed, and written beside the library.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

VARINT, FIXED_64, LENGTH_DELIMITED, GROUP_START, GROUP_END, FIXED_32 = range(6)
"""Wire types. A field that is LENGTH_DELIMITED is of bytes, text, a message or packed numbers."""
_WIDTHS = {FIXED_64: 8, FIXED_32: 4, GROUP_START: 0, GROUP_END: 0}
_LONGEST, _LONGEST_VALUE = 5, 10
"""Bytes of a tag or a length, and of a number."""
_MOST_STARTS = 1024
"""Beginnings of fields that are remembered: of the parts of answers, which are as long again and again."""
_BYTES = [bytes([number]) for number in range(0x80)]
"""Numbers that take one byte."""


class UnreadableError(Exception):
    """Bytes that are no message, or one that is written as no library writes it."""


class Span(NamedTuple):
    """Where a field of a message lies."""

    field: int
    """Its number."""
    wire_type: int
    tag: int
    """Where its tag starts."""
    start: int
    end: int
    """Where what it holds starts, and ends."""


def spans(data: memoryview, start: int, end: int) -> Iterator[Span]:
    """Walk through the fields of a serialized message.

    Args:
        data: what holds the message, from anyone.
        start: where it starts.
        end: where it ends.

    Yields:
        Each field, in the order of the bytes; of a group its start, what is in it, and its end. There may be as many as
        bytes: who walks sets the bound.

    Raises:
        UnreadableError: what follows cannot be read.
    """
    at = start
    while at < end:
        tag, after = _read_varint(data, at, end, _LONGEST)
        field, wire_type = tag >> 3, tag & 7
        if wire_type == LENGTH_DELIMITED:
            length, after = _read_varint(data, after, end, _LONGEST)
            stop = after + length
        elif wire_type == VARINT:
            _, stop = _read_varint(data, after, end, _LONGEST_VALUE)
        elif wire_type in _WIDTHS:
            stop = after + _WIDTHS[wire_type]
        else:
            raise UnreadableError
        if not field or stop > end:
            raise UnreadableError
        yield Span(field, wire_type, at, after, stop)
        at = stop


def varint(value: int) -> bytes:
    """Write a number, 0 or more."""
    if value <= 0x7F:
        return _BYTES[value]
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def tag(field: int, wire_type: int) -> bytes:
    """Write what a field begins with."""
    return varint(field << 3 | wire_type)


@lru_cache(_MOST_STARTS)
def start_of(field: int, length: int) -> bytes:
    """Write what stands before a field of so many bytes."""
    return tag(field, LENGTH_DELIMITED) + varint(length)


def _read_varint(data: memoryview, at: int, end: int, longest: int) -> tuple[int, int]:
    value = shift = 0
    for position in range(at, min(end, at + longest)):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    raise UnreadableError
