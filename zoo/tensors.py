"""NumPy arrays <-> the tensors of a passport, and the one comparison of answers."""

import base64
from collections.abc import Mapping

import numpy as np

from zoo.passport import Tensor, Tolerance


def write_tensor(array: np.ndarray) -> Tensor:
    """Write an array down exactly. Strings (object arrays of bytes or str) become a list, row by row.

    Raises:
        UnicodeError: a str is not to be encoded.
    """
    if array.dtype.kind in "OSU":
        items = [item if isinstance(item, bytes) else str(item).encode() for item in array.ravel().tolist()]
        try:
            return Tensor("string", array.shape, strings=tuple(item.decode() for item in items))
        except UnicodeDecodeError:
            return Tensor("string", array.shape, binary=tuple(base64.b64encode(item).decode() for item in items))
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    return Tensor(array.dtype.name, array.shape, base64=base64.b64encode(little.tobytes()).decode())


def read_tensor(tensor: Tensor) -> np.ndarray:
    """Return the array that was written down. Raises ValueError where the contents do not fit the shape."""
    if tensor.strings is not None:
        return np.array([text.encode() for text in tensor.strings], dtype=object).reshape(tensor.shape)
    if tensor.binary is not None:
        return np.array([base64.b64decode(item) for item in tensor.binary], dtype=object).reshape(tensor.shape)
    flat = np.frombuffer(base64.b64decode(tensor.base64 or ""), dtype=np.dtype(tensor.dtype).newbyteorder("<"))
    return flat.reshape(tensor.shape).astype(tensor.dtype)


def differences(
    got: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    tolerance: Tolerance,
    *,
    same_dtypes: bool = False,
) -> list[str]:
    """Compare answers, output by output.

    Numbers of fractions, complex ones too, may differ within the tolerance, whole numbers and strings in a few places.
    NaN is the same as NaN.

    Args:
        got: the answer.
        expected: what it should be.
        tolerance: how far they may be apart.
        same_dtypes: whether a number in another dtype is another one.

    Returns:
        One sentence per output that differs; empty where the answers count as the same.
    """
    faults = []
    for name in sorted(expected.keys() | got.keys()):
        if name not in got or name not in expected:
            faults.append(f"{name}: {'missing' if name not in got else 'was not expected'}")
            continue
        fault = _difference(np.asarray(got[name]), np.asarray(expected[name]), tolerance, same_dtypes=same_dtypes)
        if fault:
            faults.append(f"{name}: {fault}")
    return faults


def _difference(got: np.ndarray, expected: np.ndarray, tolerance: Tolerance, *, same_dtypes: bool) -> str | None:
    if got.shape != expected.shape:
        return f"shape {got.shape}, expected {expected.shape}"
    if (got.dtype == object) != (expected.dtype == object):
        return "strings, expected numbers" if got.dtype == object else "numbers, expected strings"
    if same_dtypes and got.dtype != expected.dtype:
        return f"{got.dtype}, expected {expected.dtype}"
    if got.size == 0:
        return None
    wide = _common_dtype(got, expected)
    if wide is not None:
        got, expected = got.astype(wide), expected.astype(wide)
        close = np.isclose(got, expected, rtol=tolerance.relative, atol=tolerance.absolute, equal_nan=True)
        if close.all():
            return None
        comparable = ~close & np.isfinite(got) & np.isfinite(expected)
        distances = np.abs(got[comparable] - expected[comparable])
        most = f"by up to {distances.max():.3g}" if distances.size else "none of them finite on both sides"
        return f"{int((~close).sum())} of {close.size} numbers differ, {most}"
    flips = float((got != expected).mean())
    return None if flips <= tolerance.label_flips else f"{flips:.1%} of {got.size} classes differ"


def _common_dtype(one: np.ndarray, other: np.ndarray) -> type[np.complexfloating | np.floating] | None:
    """Return what both are compared in; None of what is the same or not, as whole numbers, strings and truth are."""
    kinds = {one.dtype.kind, other.dtype.kind}
    if "c" in kinds:
        return np.complex128
    return np.float64 if kinds & {"f", "V"} else None  # bfloat16, which is no number of NumPy's own, is of kind V
