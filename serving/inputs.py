"""Files a person has -> the arrays a signature takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from serving.codec import STRING
from serving.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from zoo.errors import ZooError, did_you_mean

_IMAGES = {".png", ".jpg", ".jpeg", ".bmp"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class InputError(ZooError):
    """A file cannot be made into the inputs of a signature."""


def read_inputs(path: Path, signatures: Mapping[str, Signature], signature: str) -> dict[str, np.ndarray]:
    """Read a file as the inputs of a signature: dtypes are converted, a missing batch axis is added.

    Numbers are rounded to the precision of a float dtype. What would become another number (beyond the range of a dtype, a
    fraction for an integer, anything but 0 and 1 for a bool) is refused.

    Args:
        path: a .npy, .npz, .json or image file.
        signatures: what the model offers.
        signature: which of them; the default one where empty.

    Raises:
        InputError: the file cannot be read, or cannot be what the signature takes.
    """
    wanted = signature or DEFAULT_SIGNATURE
    if wanted not in signatures:
        raise InputError(f"unknown signature {wanted!r}; {did_you_mean(wanted, signatures)}")
    specs = signatures[wanted].inputs
    try:
        found = _read(path, specs)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}") from None
    if not isinstance(found, Mapping):
        if len(specs) != 1:
            raise InputError(f"the model takes {len(specs)} inputs: give a .json or .npz with {', '.join(specs)}")
        found = dict.fromkeys(specs, found)
    for name in found:
        if name not in specs:
            raise InputError(f"{path} holds {name!r}, which is no input of the model; {did_you_mean(name, specs)}")
    return {name: _fit(name, value, specs[name]) for name, value in found.items()}


def _read(path: Path, specs: Mapping[str, TensorSpec]) -> Any:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return np.load(path, allow_pickle=False)
    if suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    if suffix == ".json":
        return json.loads(path.read_text(encoding="utf-8"))
    if suffix in _IMAGES:
        return _read_image(path, next(iter(specs.values())))
    raise InputError(f"{path.name}: expected a .npy, .npz, .json or .png file")


def _read_image(path: Path, spec: TensorSpec) -> np.ndarray:
    from PIL import Image

    channels = spec.shape[-1] if spec.shape and len(spec.shape) == 4 else None
    with Image.open(path) as image:
        pixels = np.asarray(image.convert(_MODES.get(channels or 0, image.mode)))
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _fit(name: str, value: Any, spec: TensorSpec) -> np.ndarray:
    array = _to_array(name, value)
    if spec.is_batched and spec.shape is not None and array.ndim == len(spec.shape) - 1:
        array = array[np.newaxis]  # also of one row that does not fit: the server then says which axis is wrong
    if spec.dtype == STRING:
        return _fit_strings(name, array)
    try:
        dtype = np.dtype(spec.dtype)
    except TypeError:
        raise InputError(f"input {name!r} takes {spec.dtype}, which no file can hold") from None
    if array.dtype == object:  # of JSON whole numbers beyond 64 bits, or of no numbers at all
        _refuse_no_numbers(name, array, spec)
    elif array.dtype.kind not in ("biufc" if dtype.kind == "c" else "biuf"):
        raise InputError(f"input {name!r} takes numbers ({spec}), the file holds {array.dtype}")
    if dtype.kind == "b":
        _refuse_where((array != 0) & (array != 1), array, f"input {name!r} takes bool, that is 0 or 1 (false or true)")
        return array.astype(dtype)
    if dtype.kind in "iu":
        return _fit_integers(name, array, dtype, value)
    return _fit_floats(name, array, dtype)


def _to_array(name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except ValueError as error:
        raise InputError(f"input {name!r} is not a rectangular array: {error}") from None


def _fit_strings(name: str, array: np.ndarray) -> np.ndarray:
    strings = array.astype(object)
    for item in strings.flat:
        if not isinstance(item, str | bytes):
            raise InputError(f"input {name!r} takes strings, the file holds {_show(item)}: put it in quotes")
    return strings


def _refuse_no_numbers(name: str, array: np.ndarray, spec: TensorSpec) -> None:
    for item in array.flat:
        if not isinstance(item, int | float):
            raise InputError(f"input {name!r} takes numbers ({spec}), the file holds {_show(item)}")


def _fit_integers(name: str, array: np.ndarray, dtype: np.dtype, value: Any) -> np.ndarray:
    if array.dtype.kind == "f" and not isinstance(value, np.ndarray):
        # Beside a fraction, NumPy makes whole numbers floats, which beyond 2**53 are others than the file's.
        array = np.asarray(value, dtype=object).reshape(array.shape)
    low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    takes = f"input {name!r} takes {dtype}, whole numbers from {low} to {high}"
    if array.dtype.kind not in "biu":
        with np.errstate(invalid="ignore"):  # what is infinite has no remainder
            _refuse_where(array % 1 != 0, array, takes)
    # high + 1 is a power of two, which every float can be held against exactly.
    _refuse_where((array < low) | (array >= high + 1), array, takes)
    return array.astype(dtype)


def _fit_floats(name: str, array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round numbers to the precision of a dtype, which they must not leave the range of."""
    largest = float(ml_dtypes.finfo(dtype).max)
    takes = f"input {name!r} takes {dtype}, numbers from {-largest:g} to {largest:g}"
    try:
        numbers = array.astype(np.float64) if array.dtype == object else array
    except OverflowError:  # a whole number beyond any float
        raise InputError(f"{takes}; the file holds {_show(max(array.flat, key=abs))}") from None
    with np.errstate(over="ignore"):
        converted = numbers.astype(dtype)
    _refuse_where(~np.isfinite(converted) & np.isfinite(numbers), array, takes)
    return converted


def _refuse_where(wrong: np.ndarray, array: np.ndarray, takes: str) -> None:
    if wrong.any():
        raise InputError(f"{takes}; the file holds {_show(array[wrong].flat[0])}")


def _show(item: Any) -> str:
    text = json.dumps(item.item() if isinstance(item, np.generic) else item, default=str)
    return text if len(text) <= 60 else text[:56] + " ..."
