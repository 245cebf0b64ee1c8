"""Packed repeated fields of numbers, written without a Python object per number where that can be."""

import numpy as np
from google.protobuf.message import Message

_LENGTH_DELIMITED = 2
_CHUNK = 1 << 16


def put_numbers(message: Message, field: str, flat: np.ndarray) -> None:
    """Append numbers to a repeated field.

    Args:
        message: any message.
        field: one of its repeated fields of numbers or bools.
        flat: little-endian, of one axis, and of the field's dtype where that is float32, float64 or bool.
    """
    if flat.dtype.kind in "bf" and len(flat):
        # A packed field of such numbers is their bytes: lists of Python numbers would take ten times the memory.
        payload = flat.tobytes()
        number = message.DESCRIPTOR.fields_by_name[field].number
        message.MergeFromString(_varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(payload)) + payload)
        return
    values = getattr(message, field)
    for start in range(0, len(flat), _CHUNK):
        values.extend(flat[start : start + _CHUNK].tolist())


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
