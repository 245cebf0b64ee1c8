"""Packed repeated fields of numbers, written without a Python object per number where that can be."""

import numpy as np
from google.protobuf.message import Message

from serving.wire_format import UnreadableError, start_of

_CHUNK = 1 << 16
_LONGEST_VARINT = 10
_INTEGERS = {
    "int_val": "int32",
    "half_val": "int32",
    "int64_val": "int64",
    "uint32_val": "uint32",
    "uint64_val": "uint64",
}


def put_numbers(message: Message, field: str, flat: np.ndarray) -> None:
    """Append numbers to a repeated field.

    Args:
        message: any message.
        field: one of its repeated fields of numbers or bools.
        flat: little-endian, of one axis, and of the field's dtype where that is float32, float64 or bool.
    """
    if is_packed_as_stored(flat.dtype):
        put_packed(message, message.DESCRIPTOR.fields_by_name[field].number, flat.view(np.uint8).data)
        return
    values = getattr(message, field)
    for start in range(0, len(flat), _CHUNK):
        values.extend(flat[start : start + _CHUNK].tolist())


def is_packed_as_stored(dtype: np.dtype) -> bool:
    """Tell whether a packed field of such numbers is their bytes; lists of numbers would take ten times the memory."""
    return dtype.kind in "bf"


def put_packed(message: Message, field: int, content: bytes | memoryview) -> None:
    """Append the bytes of a field, by its number, that is packed, or of bytes or text."""
    if len(content):
        message.MergeFromString(b"".join((start_of(field, len(content)), content)))


def read_packed(packed: bytes | memoryview, field: str, stored: np.dtype) -> np.ndarray:
    """Return the numbers of a packed field of TensorProto, as the library would.

    Args:
        packed: its bytes.
        field: its name.
        stored: how its numbers stand there, if not as varints.

    Raises:
        UnreadableError: it holds what is no number.
    """
    if stored.kind == "f":
        return np.frombuffer(packed, stored.newbyteorder("<"))
    numbers = read_varints(packed)
    return numbers != 0 if field == "bool_val" else numbers.astype(_INTEGERS[field])


def read_varints(packed: bytes | memoryview) -> np.ndarray:
    """Return the numbers of a packed field of integers, as uint64: of signed ones the bits.

    Raises:
        UnreadableError: a number takes over ten bytes, or the last one is cut off.
    """
    data = np.frombuffer(packed, np.uint8)
    found, at = [], 0
    while at < len(data):
        ends = np.flatnonzero(data[at : at + _CHUNK] < 0x80)
        if not len(ends):
            raise UnreadableError
        found.append(_varints(data[at : at + ends[-1] + 1], ends))
        at += int(ends[-1]) + 1
    return np.concatenate(found) if found else np.empty(0, np.uint64)


def _varints(data: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Return numbers, whose last bytes are at `ends`."""
    lengths = np.diff(ends, prepend=-1)
    longest = int(lengths.max())
    if longest > _LONGEST_VARINT:
        raise UnreadableError
    starts = ends - lengths + 1
    numbers = (data[starts] & 0x7F).astype(np.uint64)
    for place in range(1, longest):
        which = np.flatnonzero(lengths > place)
        numbers[which] |= (data[starts[which] + place] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return numbers
