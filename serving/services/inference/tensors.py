"""Tensors of the Open Inference Protocol <-> NumPy, exact in every datatype that it has.

Source: KServe's grpc_predict_v2.proto and Triton's grpc_service.proto. A tensor travels raw: its numbers, little-endian
and row by row, or each string after its length in four bytes; or typed, as a list of values. FP16 and BF16 travel raw only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack, unpack_from
from typing import Any

import numpy as np

from serving.codec import STRING, STRING_OVERHEAD, CodecError
from serving.packed import put_numbers
from serving.protos import inference_pb2 as pb
from serving.signature import TensorSpec
from serving.texts import as_array, size_of
from zoo.errors import did_you_mean

INVALID = "INVALID"
"""What stands for a dtype that the protocol does not have."""
_MAX_RANK = 32  # what every NumPy takes; no model comes near it
_LENGTH_BYTES = 4


@dataclass(frozen=True)
class Wire:
    """How one datatype travels."""

    dtype: str
    """What NumPy calls it, or `string`."""
    field: str | None = None
    """Of InferTensorContents; None for a datatype that travels raw only."""


WIRE = {
    "BOOL": Wire("bool", "bool_contents"),
    "UINT8": Wire("uint8", "uint_contents"),
    "UINT16": Wire("uint16", "uint_contents"),
    "UINT32": Wire("uint32", "uint_contents"),
    "UINT64": Wire("uint64", "uint64_contents"),
    "INT8": Wire("int8", "int_contents"),
    "INT16": Wire("int16", "int_contents"),
    "INT32": Wire("int32", "int_contents"),
    "INT64": Wire("int64", "int64_contents"),
    "FP16": Wire("float16"),
    "BF16": Wire("bfloat16"),
    "FP32": Wire("float32", "fp32_contents"),
    "FP64": Wire("float64", "fp64_contents"),
    "BYTES": Wire(STRING, "bytes_contents"),
}
"""By the names that requests use."""
_DATATYPE = {wire.dtype: name for name, wire in WIRE.items()}
_WIDEST = {
    "bool_contents": "BOOL", "int_contents": "INT32", "int64_contents": "INT64", "uint_contents": "UINT32",
    "uint64_contents": "UINT64", "fp32_contents": "FP32", "fp64_contents": "FP64", "bytes_contents": "BYTES",
}  # fmt: skip


def datatype_of(dtype: str) -> str:
    """Return the protocol's name of a dtype, `FP32` of `float32`; INVALID where it has none."""
    return _DATATYPE.get(dtype, INVALID)


@dataclass(frozen=True)
class InferSource:
    """An input of a ModelInferRequest; see `serving.predictor.Source`."""

    model: str
    """The model's name, which Triton's messages tell."""
    tensor: pb.ModelInferRequest.InferInputTensor
    raw: bytes | memoryview | None = None
    """What it holds; None where it is typed."""
    texts: Sequence[bytes] = ()
    """Typed texts, where they were left out of the tensor."""

    @property
    def spec(self) -> TensorSpec:
        """See Source."""
        return TensorSpec(self._wire.dtype, self.shape)

    @property
    def nbytes(self) -> int:
        """See Source."""
        # An axis of 0 counts as 1: NumPy refuses [0, 1 << 62] too, though it holds nothing.
        count = math.prod(max(axis, 1) for axis in self.shape)
        if self._wire.dtype != STRING:
            return count * np.dtype(self._wire.dtype).itemsize
        if self.raw is not None:
            return count * STRING_OVERHEAD + len(self.raw)
        self._check_strings(math.prod(self.shape))
        return count * STRING_OVERHEAD + size_of(self._held("bytes_contents"))

    def read(self, max_bytes: int) -> np.ndarray:
        """See Source."""
        wire, shape = self._wire, self.shape
        count = math.prod(shape)
        if wire.dtype != STRING:
            self._check_bytes(count * np.dtype(wire.dtype).itemsize, wire)
        if self.nbytes > max_bytes:
            raise CodecError(
                f"a tensor of shape {list(shape)} takes {self.nbytes} bytes, the limit is {max_bytes}: send fewer rows"
            )
        if self.raw is None:
            flat = self._read_strings(count) if wire.dtype == STRING else self._read_numbers(wire)
        elif wire.dtype == STRING:
            flat = self._split(self.raw, count)
        else:
            flat = np.frombuffer(self.raw, dtype=np.dtype(wire.dtype).newbyteorder("<"))
            if wire.dtype == "bool" and (flat.view(np.uint8) > 1).any():
                raise CodecError("raw contents of BOOL have bytes other than 0 and 1")
        return flat.reshape(shape)

    @property
    def _wire(self) -> Wire:
        wire = WIRE.get(self.tensor.datatype)
        if wire is None:
            raise CodecError(
                f"unknown datatype {self.tensor.datatype[:40]!r}; {did_you_mean(self.tensor.datatype, WIRE)}"
            )
        return wire

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape, as the request has it. Raises CodecError."""
        rank = len(self.tensor.shape)
        if rank > _MAX_RANK:
            raise CodecError(f"a tensor of {rank} dimensions is not supported, at most {_MAX_RANK} are")
        shape = tuple(self.tensor.shape)
        if any(size < 0 for size in shape):
            raise CodecError(f"shape {list(shape)} has a negative dimension")
        return shape

    @property
    def _of(self) -> str:
        return f"'{self.tensor.name}' for model '{self.model}'"

    def _check_bytes(self, expected: int, wire: Wire) -> None:
        each = np.dtype(wire.dtype).itemsize
        got = len(self._values(wire)) * each if self.raw is None else len(self.raw)
        if got != expected:
            raise CodecError(
                f"input byte size mismatch for input {self._of}. Expected {expected}, got {got}: "
                f"{self.tensor.datatype} of shape {list(self.tensor.shape)} are {expected // each} values"
            )

    def _values(self, wire: Wire) -> Sequence[object]:
        """Return the typed contents, which are in the one field of their datatype."""
        for field, datatype in _WIDEST.items():
            if field != wire.field and len(self._held(field)):
                raise CodecError(
                    f"unexpected explicit tensor data for input tensor {self._of} of type '{datatype}', "
                    f"expected datatype '{self.tensor.datatype}': {_where(self.tensor.datatype, wire)}"
                )
        if wire.field is None:
            raise CodecError(f"no contents for input tensor {self._of}: {_where(self.tensor.datatype, wire)}")
        return self._held(wire.field)

    def _held(self, field: str) -> Sequence[Any]:
        values: Sequence[Any] = getattr(self.tensor.contents, field)
        return self.texts if self.texts and field == "bytes_contents" else values

    def _read_numbers(self, wire: Wire) -> np.ndarray:
        values = np.array(self._values(wire), dtype=WIRE[_WIDEST[wire.field or ""]].dtype)
        narrow = values.astype(wire.dtype)
        if narrow.dtype.kind in "iu" and (narrow != values).any():
            raise CodecError(f"{wire.field} holds {values[narrow != values][0]}, which is no {self.tensor.datatype}")
        return narrow

    def _read_strings(self, count: int) -> np.ndarray:
        return as_array(self._check_strings(count))

    def _check_strings(self, count: int) -> Sequence[Any]:
        values = self._values(WIRE["BYTES"])
        if len(values) != count:
            raise CodecError(f"expected {count} string elements for inference input {self._of}, got {len(values)}")
        return values

    def _split(self, raw: bytes | memoryview, count: int) -> np.ndarray:
        """Return the strings that raw contents hold, each after its length."""
        flat = np.empty(count, dtype=object)
        at = 0
        for i in range(count):
            left = len(raw) - at
            if not left:
                raise CodecError(f"expected {count} string elements for inference input {self._of}, got {i}")
            if left < _LENGTH_BYTES:
                raise CodecError(
                    f"incomplete string length indicator for inference input {self._of}, "
                    f"expecting {_LENGTH_BYTES} bytes but only {left} bytes available"
                )
            (length,) = unpack_from("<I", raw, at)
            at += _LENGTH_BYTES
            if length > len(raw) - at:
                raise CodecError(
                    f"incomplete string data for inference input {self._of}, "
                    f"expecting string of length {length} but only {len(raw) - at} bytes available"
                )
            flat[i] = bytes(raw[at : at + length])
            at += length
        if at != len(raw):
            raise CodecError(
                f"unexpected number of string elements for inference input {self._of}, expecting {count}: "
                f"{len(raw) - at} bytes are left over"
            )
        return flat


def to_raw(array: np.ndarray) -> bytes:
    """Return raw contents: little-endian numbers, or strings after their lengths."""
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).tobytes()
    parts: list[bytes] = []
    for text in array.ravel().tolist():
        parts += (pack("<I", len(text)), text)
    return b"".join(parts)


def put_contents(contents: pb.InferTensorContents, array: np.ndarray, field: str) -> None:
    """Write typed contents into the field of the array's datatype."""
    if array.dtype.kind == "O":
        contents.bytes_contents.extend(array.ravel().tolist())
    else:
        put_numbers(contents, field, np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1))


def _where(datatype: str, wire: Wire) -> str:
    return f"{datatype} goes into {f'contents.{wire.field}' if wire.field else 'raw_input_contents'}"
