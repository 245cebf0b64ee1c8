"""Arrays -> nested lists of a JSON document, exact: whoever reads a number back into the array's dtype has its very bits."""

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from serving.codec import STRING, array_dtype_name
from serving.http.json_tensors import encode_bytes, tensorflow_name
from serving.http.json_text import write
from serving.status import Code, StatusError

AT_ONCE = 1 << 14
"""Values that are written in one go, during which no other thread runs."""
_BYTES_SUFFIX = "_bytes"
_DIGITS = {
    np.dtype("float32"): (6, 9),
    np.dtype("float16"): (3, 5),
    np.dtype(ml_dtypes.bfloat16): (2, 4),
}
"""By dtype: the decimal digits that are tried first, and those that always suffice."""


def to_values(name: str, array: np.ndarray) -> Any:
    """Return an array as nested lists; one of no axes as its value.

    Text of an output whose name ends in `_bytes` becomes `{"b64": "..."}`, as in TensorFlow Serving; so does what is no
    UTF-8, since JSON has no other way to say it.

    Raises:
        StatusError: UNIMPLEMENTED; JSON has nothing for the dtype.
    """
    if array_dtype_name(array) == STRING:
        return _text(array, as_bytes=name.endswith(_BYTES_SUFFIX))
    if array.dtype in _DIGITS:
        return shortest(array).tolist()
    if array.dtype.kind not in "biuf":
        raise StatusError(
            Code.UNIMPLEMENTED,
            f"Failed to write JSON value for tensor type: {tensorflow_name(array.dtype.name)}: "
            f"output {name!r} can be had over gRPC",
        )
    return array.tolist()


def texts(name: str, array: np.ndarray) -> Iterator[bytes]:
    """Yield the JSON of an array in pieces, none of which takes long to write. Raises as `to_values`."""
    if array.size <= AT_ONCE or not array.ndim:
        yield write(to_values(name, array))
        return
    each = array.size // len(array)
    yield b"["
    for at in range(0, len(array), max(1, AT_ONCE // each)):
        if at:
            yield b", "
        if each > AT_ONCE:
            yield from texts(name, array[at])
        else:
            yield write(to_values(name, array[at : at + AT_ONCE // each]))[1:-1]
    yield b"]"


def shortest(array: np.ndarray) -> np.ndarray:
    """Return numbers of few bits as float64 whose decimal digits are few: 0.2 of the float32 nearest to it.

    A float32 written with the digits of a float64 is 0.20000000298023224, twice as long and no more exact.

    Args:
        array: float32, float16 or bfloat16, any shape.

    Returns:
        float64 of the same shape; cast to the array's dtype, every one is the array's.
    """
    first, last = _DIGITS[array.dtype]
    wide = array.astype(np.float64)
    result = wide.copy()
    open_ = np.isfinite(wide) & (wide != 0)
    with np.errstate(all="ignore"):
        exponents = np.floor(np.log10(np.abs(wide), where=open_, out=np.zeros_like(wide)))
        for digits in range(first, last + 1):
            # An integer over a power of ten is the float64 nearest to the decimal, which Python writes as that decimal.
            places = digits - 1 - exponents
            scale = 10.0 ** np.abs(places)
            rounded = np.where(places >= 0, np.rint(wide * scale) / scale, np.rint(wide / scale) * scale)
            same = open_ & (rounded.astype(array.dtype) == array)
            result[same] = rounded[same]
            open_ &= ~same
            if not open_.any():
                break
    return result


def _text(array: np.ndarray, *, as_bytes: bool) -> Any:
    values = np.empty(array.shape, dtype=object)
    flat = values.reshape(-1)
    for index, item in enumerate(array.reshape(-1).tolist()):
        flat[index] = _one_text(item.encode() if isinstance(item, str) else item, as_bytes=as_bytes)
    return values.tolist()


def _one_text(item: bytes, *, as_bytes: bool) -> Any:
    if not as_bytes:
        try:
            return item.decode()
        except UnicodeDecodeError:
            pass
    return encode_bytes(item)
