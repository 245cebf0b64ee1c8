"""Maps of tensors by name, written at the end of a serialized message: the numbers go there in one copy."""

import math
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from serving.codec import encode, header, payload_field, payload_of
from serving.joining import joined
from serving.payloads import KEY, VALUE
from serving.protos.tensor_pb2 import TensorProto
from serving.wire_format import start_of

_MOST = 4096
"""Kinds of tensors of which it is remembered what stands before their numbers."""
_MANY = 1 << 15
"""Texts of a tensor that the library writes in a few milliseconds."""
_FEW, _SHORT = 4, 64
"""Values of a tensor that is remembered whole, and bytes of each."""


def write_tensors(message: bytes, field: int, tensors: Mapping[str, np.ndarray], *, as_content: bool = True) -> bytes:
    """Add tensors to a message.

    Args:
        message: it, serialized.
        field: the number of one of its maps of tensors.
        tensors: arrays by name; see `serving.codec.encode`.
        as_content: see there.

    Raises:
        CodecError: an array is of a dtype that cannot be sent.
    """
    parts: list[bytes | memoryview] = [message]
    for name, array in tensors.items():
        before = _before_payload(field, name, array.dtype, array.shape, as_content)
        if before is not None:
            parts += (before, payload_of(array))
        elif array.size <= _FEW and _is_short(array):
            parts.append(_known_entry(field, name, array.dtype, array.shape, tuple(array.ravel().tolist())))
        elif array.dtype.kind == "O" and array.size > _MANY:
            texts = _texts(array)
            start = header(array.dtype, array.shape).SerializeToString()
            parts += (_entry(field, name, start, sum(map(len, texts))), *texts)
        else:
            parts.append(_entry(field, name, encode(array, as_content=False).SerializeToString(), 0))
    return joined(parts)


def _texts(array: np.ndarray) -> list[bytes]:
    """Return very many texts as they stand in a tensor, some in each: the library writes all of a message in one go."""
    flat = array.reshape(-1)
    parts = (flat[at : at + _MANY] for at in range(0, array.size, _MANY))
    return [TensorProto(string_val=encode(part).string_val).SerializeToString() for part in parts]


def _is_short(array: np.ndarray) -> bool:
    """Tell whether few values are also few bytes, and equal only where they are the same: labels, numbers of classes."""
    if array.dtype.kind == "O":
        return all(type(each) in (bytes, str) and len(each) <= _SHORT for each in array.ravel().tolist())
    return array.dtype.kind in "SUiu" and array.itemsize <= _SHORT


@lru_cache(_MOST)
def _known_entry(field: int, name: str, dtype: np.dtype, shape: tuple[int, ...], values: tuple[object, ...]) -> bytes:
    """Return an entry of few values: models give the same ones again and again."""
    array = np.array(values, dtype).reshape(shape)
    return _entry(field, name, encode(array, as_content=False).SerializeToString(), 0)


@lru_cache(_MOST)
def _before_payload(field: int, name: str, dtype: np.dtype, shape: tuple[int, ...], as_content: bool) -> bytes | None:  # noqa: FBT001
    """Return all of an entry but the numbers; None where they are not written as they are stored."""
    payload = payload_field(dtype, as_content=as_content)
    if payload is None:
        return None
    size = math.prod(shape) * dtype.itemsize
    start = header(dtype, shape).SerializeToString()
    return _entry(field, name, start + start_of(payload, size) if size else start, size)


def _entry(field: int, name: str, tensor: bytes, more: int) -> bytes:
    """Return an entry of the map, which so many bytes of its tensor are yet to follow."""
    key = name.encode()
    entry = start_of(KEY, len(key)) + key + start_of(VALUE, len(tensor) + more) + tensor
    return start_of(field, len(entry) + more) + entry
