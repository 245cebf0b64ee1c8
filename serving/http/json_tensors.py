"""Nested lists of a JSON document -> arrays of a signature's dtypes; what would become another value is refused.

Source of the rules and of the words that clients look for: TensorFlow Serving, util/json_tensor.cc.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import ml_dtypes
import numpy as np

from serving.codec import STRING, CodecError
from serving.http.json_text import show, type_name
from serving.signature import TensorSpec

_B64 = "b64"
_AT_ONCE = 1 << 14  # values that are looked at in one go, during which no other thread runs
_MAX_RANK = 32  # what every NumPy takes
_STRING_OVERHEAD = 32  # what TensorFlow spends on a string beside its bytes
_TENSORFLOW_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


@dataclass(frozen=True)
class JsonTensor:
    """A value of a document, laid out: the lengths of its lists, and what is in the innermost ones."""

    shape: tuple[int, ...]
    leaves: Sequence[Any]

    @classmethod
    def of(cls, value: Any) -> "JsonTensor":
        """Lay a value out. Raises CodecError where its lists are ragged, or too deep."""
        shape: list[int] = []
        level = [value]
        while level and isinstance(level[0], list):
            if len(shape) == _MAX_RANK:
                raise CodecError(f"lists are nested more than {_MAX_RANK} deep")
            shape.append(_common_length(level, len(shape)))
            level = _joined(level)
        if list in _types(level):
            raise CodecError(
                f"Encountered list at unexpected level: {len(shape)} expected < {len(shape)}: "
                "a list stands beside a value; all rows must have the same shape"
            )
        return cls(tuple(shape), level)


@dataclass(frozen=True)
class JsonSource:
    """An input as JSON; see `serving.predictor.Source`. JSON names no dtypes: it has the signature's."""

    tensor: JsonTensor
    dtype: str

    @property
    def spec(self) -> TensorSpec:
        """See Source."""
        return TensorSpec(self.dtype, self.tensor.shape)

    @property
    def nbytes(self) -> int:
        """See Source."""
        if self.dtype == STRING:
            return sum(map(_text_size, self.tensor.leaves))
        return len(self.tensor.leaves) * _numpy_dtype(self.dtype, self.tensor.leaves).itemsize

    def read(self, max_bytes: int) -> np.ndarray:
        """See Source."""
        if self.nbytes > max_bytes:
            raise CodecError(
                f"a tensor of shape {list(self.tensor.shape)} takes {self.nbytes} bytes, the limit is {max_bytes}: "
                "send fewer rows"
            )
        return _convert(self.tensor.leaves, self.dtype).reshape(self.tensor.shape)


def is_bytes(value: Any) -> bool:
    """Tell whether a value is an object that stands for bytes: `{"b64": "..."}`."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_B64), str)


def decode_bytes(value: dict[str, Any]) -> bytes:
    """Return the bytes of `{"b64": "..."}`; padding may be left out. Raises CodecError where they are no base64."""
    text = value[_B64]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CodecError(f"Unable to base64 decode {show(text)}") from None


def encode_bytes(value: bytes) -> dict[str, str]:
    """Return `{"b64": "..."}`."""
    return {_B64: base64.b64encode(value).decode("ascii")}


def tensorflow_name(dtype: str) -> str:
    """Return what TensorFlow calls a dtype."""
    return _TENSORFLOW_NAMES.get(dtype, dtype)


def _common_length(level: list[Any], depth: int) -> int:
    if _types(level) != {list}:
        other = next(item for item in level if not isinstance(item, list))
        raise CodecError(
            f"JSON Value: {show(other)} found at incorrect level: {depth + 1} in the JSON DOM: "
            "a value stands beside a list; all rows must have the same shape"
        )
    lengths = {length for part in _parts(level) for length in set(map(len, part))}
    expected = len(level[0])
    if len(lengths) > 1:
        wrong = next(len(item) for item in level if len(item) != expected)
        raise CodecError(
            f"Encountered list at unexpected size: {wrong} at level: {depth} expected size: {expected}: "
            "all rows must have the same shape, pad the shorter ones"
        )
    return expected


def _parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[at : at + _AT_ONCE] for at in range(0, len(values), _AT_ONCE))


def _types(values: Sequence[Any]) -> set[type]:
    return {found for part in _parts(values) for found in set(map(type, part))}


def _joined(lists: list[list[Any]]) -> list[Any]:
    joined: list[Any] = []
    for part in _parts(lists):
        joined += chain.from_iterable(part)
    return joined


def _text_size(leaf: Any) -> int:
    text = leaf.get(_B64, "") if isinstance(leaf, dict) else leaf
    return (len(text) if isinstance(text, str) else 0) + _STRING_OVERHEAD


def _numpy_dtype(name: str, leaves: Sequence[Any]) -> np.dtype:
    try:
        dtype = np.dtype(name)
    except TypeError:
        dtype = None
    if dtype is None or (dtype.kind not in "biuf" and dtype != ml_dtypes.bfloat16):
        shown = show(leaves[0]) if leaves else "[]"
        raise CodecError(f"Conversion of JSON Value: {shown} to type: {tensorflow_name(name)} is not supported")
    return dtype


def _convert(leaves: Sequence[Any], dtype: str) -> np.ndarray:
    if dtype == STRING:
        array = np.empty(len(leaves), dtype=object)
        array[:] = [_to_bytes(leaf) for leaf in leaves]
        return array
    wanted = _numpy_dtype(dtype, leaves)
    array = np.empty(len(leaves), dtype=wanted)
    for at, part in zip(range(0, len(leaves), _AT_ONCE), _parts(leaves), strict=True):
        array[at : at + len(part)] = _numbers(part, wanted)
    return array


def _numbers(leaves: Sequence[Any], dtype: np.dtype) -> np.ndarray:
    kinds = set(map(type, leaves))
    if dtype.kind == "b":
        _refuse_others(leaves, kinds, {bool}, dtype.name)
        return np.array(leaves, dtype=dtype)
    if dtype.kind in "iu":
        _refuse_others(leaves, kinds, {int}, dtype.name)
        return _to_integers(leaves, dtype)
    _refuse_others(leaves, kinds, {int, float}, dtype.name)
    return _to_floats(leaves, dtype, has_integers=int in kinds)


def _to_bytes(leaf: Any) -> bytes:
    if isinstance(leaf, str):
        return leaf.encode()
    if is_bytes(leaf):
        return decode_bytes(leaf)
    if isinstance(leaf, dict):
        raise CodecError('JSON Value: Object not formatted correctly for base64 data: expected {"b64": "..."}')
    raise _type_error(leaf, STRING)


def _refuse_others(leaves: Sequence[Any], kinds: set[type], taken: set[type], dtype: str) -> None:
    if not kinds <= taken:
        raise _type_error(next(leaf for leaf in leaves if type(leaf) not in taken), dtype)


def _type_error(leaf: Any, dtype: str) -> CodecError:
    return CodecError(
        f"JSON Value: {show(leaf)} Type: {type_name(leaf)} is not of expected type: {tensorflow_name(dtype)}"
    )


def _to_integers(leaves: Sequence[int], dtype: np.dtype) -> np.ndarray:
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if leaves and not low <= min(leaves) <= max(leaves) <= high:
        wrong = next(leaf for leaf in leaves if not low <= leaf <= high)
        raise CodecError(
            f"JSON Value: {show(wrong)} Type: Number is not of expected type: {tensorflow_name(dtype.name)}, "
            f"whole numbers from {low} to {high}"
        )
    return np.array(leaves, dtype=dtype)


def _to_floats(leaves: Sequence[float], dtype: np.dtype, *, has_integers: bool) -> np.ndarray:
    try:
        wide = np.array(leaves, dtype=np.float64)
    except OverflowError:  # a whole number beyond any float
        raise _lossy(max((leaf for leaf in leaves if isinstance(leaf, int)), key=abs), dtype) from None
    with np.errstate(over="ignore"):
        array = wide.astype(dtype)
    lost = np.isinf(array) & np.isfinite(wide)
    if has_integers and np.nanmax(np.abs(wide)) > 1 << ml_dtypes.finfo(dtype).nmant:
        # Whoever writes a whole number means this one, and not its neighbour.
        whole = [isinstance(leaf, int) and leaf != float(near) for leaf, near in zip(leaves, array, strict=True)]
        lost |= np.array(whole, dtype=bool)
    if lost.any():
        raise _lossy(leaves[int(lost.argmax())], dtype)
    return array


def _lossy(leaf: Any, dtype: np.dtype) -> CodecError:
    largest = float(ml_dtypes.finfo(dtype).max)
    return CodecError(
        f"Cannot convert JSON value: {show(leaf)} to {tensorflow_name(dtype.name)} without loss of precision: "
        f"it takes numbers from {-largest:g} to {largest:g}, whole ones only where it has them exactly"
    )
