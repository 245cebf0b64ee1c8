"""Packed repeated fields of numbers, written without a Python object per number where that can be."""

import numpy as np
from google.protobuf.message import Message

from serving.wire_format import start_of

_CHUNK = 1 << 16


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
