"""TensorProto <-> NumPy, exact in every dtype that both have.

Source: tensorflow/core/framework/tensor.proto. Numbers are little-endian in `tensor_content`; half and bfloat16 travel as
their bits in `half_val`; complex numbers as pairs. One value in a `*_val` field stands for a whole tensor of it.
"""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np

from serving.packed import is_packed_as_stored, put_numbers, put_packed, read_packed
from serving.payloads import TEXTS, Payload
from serving.protos import tensor_pb2 as pb
from serving.texts import as_array, size_of
from serving.wire_format import UnreadableError

DEFAULT_MAX_BYTES = 256 << 20
STRING = "string"
_MAX_RANK = 32  # what every NumPy takes; no model comes near it
_MOST_DTYPES = 256
_FEW_BYTES = 4096
"""Of an array that is copied in less time than a view of it is made."""


class CodecError(ValueError):
    """A tensor message that says two different things, or too much."""


@dataclass(frozen=True)
class _Wire:
    """How one dtype travels."""

    code: "pb.DataType"
    field: str
    bits: str | None = None
    """The integer dtype whose bits travel in the field, in place of the numbers."""


_WIRE: dict[np.dtype, _Wire] = {
    np.dtype("float32"): _Wire(pb.DT_FLOAT, "float_val"),
    np.dtype("float64"): _Wire(pb.DT_DOUBLE, "double_val"),
    np.dtype("float16"): _Wire(pb.DT_HALF, "half_val", bits="uint16"),
    np.dtype("int8"): _Wire(pb.DT_INT8, "int_val"),
    np.dtype("int16"): _Wire(pb.DT_INT16, "int_val"),
    np.dtype("int32"): _Wire(pb.DT_INT32, "int_val"),
    np.dtype("int64"): _Wire(pb.DT_INT64, "int64_val"),
    np.dtype("uint8"): _Wire(pb.DT_UINT8, "int_val"),
    np.dtype("uint16"): _Wire(pb.DT_UINT16, "int_val"),
    np.dtype("uint32"): _Wire(pb.DT_UINT32, "uint32_val"),
    np.dtype("uint64"): _Wire(pb.DT_UINT64, "uint64_val"),
    np.dtype("bool"): _Wire(pb.DT_BOOL, "bool_val"),
    np.dtype("complex64"): _Wire(pb.DT_COMPLEX64, "scomplex_val", bits="float32"),
    np.dtype("complex128"): _Wire(pb.DT_COMPLEX128, "dcomplex_val", bits="float64"),
}
_BFLOAT16 = _Wire(pb.DT_BFLOAT16, "half_val", bits="uint16")
"""Not in the table: the package that knows its dtype takes 2 MB, and a client has no need of it until a tensor does."""
_KNOWN = ", ".join([*map(str, _WIRE), "bfloat16"])
STRING_OVERHEAD = 32
"""Bytes that TensorFlow spends on a string beside its own."""
_FIELDS = pb.TensorProto.DESCRIPTOR.fields_by_name
_CONTENT = _FIELDS["tensor_content"].number
_DTYPE_OF_CODE = {int(wire.code): dtype for dtype, wire in _WIRE.items()}


def dtype_name(code: int) -> str:
    """Return the NumPy name of a wire dtype (`float32`, `string`), or its wire name where NumPy has none."""
    if code == pb.DT_STRING:
        return STRING
    if code == pb.DT_BFLOAT16:
        return "bfloat16"
    dtype = _DTYPE_OF_CODE.get(code)
    if dtype is not None:
        return dtype.name
    return pb.DataType.Name(code) if code in pb.DataType.values() else f"DataType {code}"


def array_dtype_name(array: np.ndarray) -> str:
    """Return the dtype of an array as `dtype_name` does: any array of text or bytes is `string`."""
    return np_dtype_name(array.dtype)


@lru_cache(_MOST_DTYPES)
def np_dtype_name(dtype: np.dtype) -> str:
    """Return the same of a dtype of NumPy's."""
    return STRING if dtype.kind in "OSU" else dtype.name  # NumPy makes it anew each time


def encode(array: np.ndarray, *, as_content: bool = True) -> pb.TensorProto:
    """Write an array as a message.

    Args:
        array: any shape; numbers, booleans, or strings (object arrays of bytes or str, or NumPy's own string dtypes).
        as_content: whether numbers go into `tensor_content`, fast and compact, or into the typed `*_val` field, which
            some clients read. Strings always go into `string_val`.

    Raises:
        CodecError: the array is of a dtype that TensorProto does not have.
    """
    proto = header(array.dtype, array.shape)
    field = payload_field(array.dtype, as_content=as_content)
    if proto.dtype == pb.DT_STRING:
        proto.string_val.extend(_bytes(item) for item in array.ravel().tolist())
    elif field is not None:
        put_packed(proto, field, payload_of(array))
    else:
        wire = _wire_of(array.dtype)
        flat = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1)
        put_numbers(proto, wire.field, flat.view(wire.bits) if wire.bits else flat)
    return proto


def header(dtype: np.dtype, shape: tuple[int, ...]) -> pb.TensorProto:
    """Write what an array is, without what it holds. Raises CodecError where its dtype cannot be sent."""
    proto = pb.TensorProto()
    proto.tensor_shape.dim.extend(pb.TensorShapeProto.Dim(size=size) for size in shape)
    if dtype.kind in "OSU":
        proto.dtype = pb.DT_STRING
        return proto
    proto.dtype = _wire_of(dtype).code
    return proto


def payload_field(dtype: np.dtype, *, as_content: bool) -> int | None:
    """Return the number of the field that `payload_of` an array belongs in; None where it is written one by one.

    Raises:
        CodecError: arrays of this dtype cannot be sent.
    """
    if dtype.kind in "OSU":
        return None
    wire = _wire_of(dtype)
    if as_content:
        return _CONTENT
    return _FIELDS[wire.field].number if is_packed_as_stored(np.dtype(wire.bits or dtype)) else None


def payload_of(array: np.ndarray) -> bytes | memoryview:
    """Return the bytes of an array of numbers as they travel: not copied where they are so already and many."""
    if array.nbytes <= _FEW_BYTES and sys.byteorder == "little" and array.dtype.isnative:
        return array.tobytes()
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return little.reshape(-1).view(np.uint8).data


def _bytes(item: object) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, str):
        return item.encode()
    raise CodecError(f"an array of objects must hold text or bytes, this one holds {type(item).__name__}: {item!r:.40}")


def read_spec(proto: pb.TensorProto) -> tuple[str, tuple[int, ...]]:
    """Return dtype and shape of a message without reading its contents. Raises CodecError where it has no usable shape."""
    return dtype_name(proto.dtype), _shape(proto.tensor_shape)


def decoded_size(proto: pb.TensorProto, payload: Payload | None = None) -> int:
    """Return the bytes that a message's tensor takes once it is decoded, whatever the message itself takes.

    Args:
        proto: as it came over the wire.
        payload: what was left out of it.

    Raises:
        CodecError: the message has no usable shape or dtype.
    """
    # An axis of 0 counts as 1: NumPy refuses [0, 1 << 62] too, though it holds nothing.
    shape = _shape(proto.tensor_shape)
    count = math.prod(max(axis, 1) for axis in shape)
    if proto.dtype == pb.DT_STRING:
        texts = _texts(proto, payload)
        _check_filled(len(texts), shape, math.prod(shape), "string_val")
        each = len(texts[0]) if len(texts) == 1 else 0
        return count * (each + STRING_OVERHEAD) + (0 if each else size_of(texts))
    return count * _dtype(proto).itemsize


def decode(proto: pb.TensorProto, payload: Payload | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES) -> np.ndarray:
    """Read a message as an array; strings become an object array of bytes. The array may be read-only.

    Args:
        proto: as it came over the wire, from anyone.
        payload: what was left out of the message.
        max_bytes: refuse a tensor that would take more memory than this.

    Raises:
        CodecError: dtype unknown, shape unusable, contents that do not fit the shape, or too large.
    """
    shape = _shape(proto.tensor_shape)
    count = math.prod(shape)
    size = decoded_size(proto, payload)
    if size > max_bytes:
        raise CodecError(
            f"a tensor of shape {list(shape)} takes {size} bytes, the limit is {max_bytes}: send fewer rows"
        )
    content = _bytes_of(_CONTENT, payload) or proto.tensor_content
    if proto.dtype == pb.DT_STRING:
        if content:
            raise CodecError("strings travel in string_val, not in tensor_content")
        return _fill(as_array(_texts(proto, payload)), shape, count, "string_val")
    dtype = _dtype(proto)
    if content:
        return _decode_content(content, dtype, shape, count)
    packed = _bytes_of(_FIELDS[_wire_of(dtype).field].number, payload)
    return _decode_values(proto, packed, dtype, shape, count)


def _wire_of(dtype: np.dtype) -> _Wire:
    wire = _WIRE.get(dtype.newbyteorder("="))
    if wire is not None:
        return wire
    if np_dtype_name(dtype) == "bfloat16":
        return _BFLOAT16
    raise CodecError(f"arrays of {dtype} cannot be sent; convert to one of {_KNOWN}")


@cache
def _bfloat16() -> np.dtype:
    import ml_dtypes

    return np.dtype(ml_dtypes.bfloat16)


def _bytes_of(field: int, payload: Payload | None) -> bytes | memoryview:
    content = payload.content if payload is not None and payload.field == field else b""
    assert isinstance(content, bytes | memoryview)  # noqa: S101 - a field of texts is asked for by `_texts`
    return content


def _texts(proto: pb.TensorProto, payload: Payload | None) -> Sequence[bytes]:
    if payload is not None and payload.field == TEXTS:
        return payload.content  # type: ignore[return-value]
    return proto.string_val


def _dtype(proto: pb.TensorProto) -> np.dtype:
    dtype = _DTYPE_OF_CODE.get(proto.dtype)
    if dtype is not None:
        return dtype
    if proto.dtype == pb.DT_BFLOAT16:
        return _bfloat16()
    raise CodecError(f"dtype {dtype_name(proto.dtype)} is not supported; known: {_KNOWN}, {STRING}")


def _shape(proto: pb.TensorShapeProto) -> tuple[int, ...]:
    if proto.unknown_rank:
        raise CodecError("the tensor's shape is of unknown rank: a tensor with contents has a shape")
    if len(proto.dim) > _MAX_RANK:
        raise CodecError(f"a tensor of {len(proto.dim)} dimensions is not supported, at most {_MAX_RANK} are")
    shape = tuple(dim.size for dim in proto.dim)
    if any(size < 0 for size in shape):
        raise CodecError(f"shape {list(shape)} has a negative dimension")
    return shape


def _decode_content(content: bytes | memoryview, dtype: np.dtype, shape: tuple[int, ...], count: int) -> np.ndarray:
    if len(content) != count * dtype.itemsize:
        raise CodecError(
            f"tensor_content has {len(content)} bytes, but shape {list(shape)} of {dtype} takes {count * dtype.itemsize}"
        )
    array = np.frombuffer(content, dtype=dtype.newbyteorder("<"))
    if dtype.kind == "b" and (array.view(np.uint8) > 1).any():
        raise CodecError("tensor_content of bool has bytes other than 0 and 1")
    return array.reshape(shape)


def _decode_values(
    proto: pb.TensorProto, packed: bytes | memoryview, dtype: np.dtype, shape: tuple[int, ...], count: int
) -> np.ndarray:
    wire = _wire_of(dtype)
    stored = np.dtype(wire.bits or dtype)
    values = _packed_values(packed, wire.field, stored) if packed else getattr(proto, wire.field)
    if wire.bits and dtype.kind == "c":
        flat = np.asarray(values, dtype=stored)
        if len(flat) % 2:
            raise CodecError(f"{wire.field} has {len(flat)} numbers, but a complex number takes two")
        flat = flat.view(dtype)
    elif wire.bits:
        flat = _narrow(np.array(values, dtype=np.int64), stored, wire.field).view(dtype)
    elif dtype.kind in "iu" and wire.field == "int_val":
        flat = _narrow(np.array(values, dtype=np.int64), dtype, wire.field)
    else:
        flat = np.asarray(values, dtype=dtype)
    return _fill(flat, shape, count, wire.field)


def _packed_values(packed: bytes | memoryview, field: str, stored: np.dtype) -> np.ndarray:
    try:
        return read_packed(packed, field, stored)
    except UnreadableError:
        raise CodecError(f"{field} holds what is no number") from None


def _narrow(wide: np.ndarray, dtype: np.dtype, field: str) -> np.ndarray:
    narrow = wide.astype(dtype)
    if (narrow != wide).any():
        bad = wide[narrow != wide][0]
        raise CodecError(f"{field} holds {bad}, which is no {dtype}")
    return narrow


def _fill(flat: np.ndarray, shape: tuple[int, ...], count: int, field: str) -> np.ndarray:
    _check_filled(len(flat), shape, count, field)
    if len(flat) == count:
        return flat.reshape(shape)
    filled = np.empty(shape, flat.dtype)
    filled[...] = flat[:1]  # not a text by itself: NumPy would drop the zeros at its end
    return filled


def _check_filled(got: int, shape: tuple[int, ...], count: int, field: str) -> None:
    if got not in (1, count):
        raise CodecError(f"{field} has {got} values, but shape {list(shape)} takes {count}")
