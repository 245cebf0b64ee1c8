"""Files a person has -> the arrays a signature takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from serving.codec import STRING
from serving.signature import DEFAULT_SIGNATURE, Signature, TensorSpec
from zoo.errors import ZooError, did_you_mean

_IMAGES = {".png", ".jpg", ".jpeg", ".bmp"}
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class InputError(ZooError):
    """A file cannot be made into the inputs of a signature."""


def read_inputs(path: Path, signatures: Mapping[str, Signature], signature: str) -> dict[str, np.ndarray]:
    """Read a file as the inputs of a signature: dtypes are converted where nothing is lost, a missing batch axis is added.

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
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InputError(f"input {name!r} is not a rectangular array: {error}") from None
    if spec.is_batched and spec.shape is not None and array.ndim == len(spec.shape) - 1:
        array = array[np.newaxis]
    if spec.dtype == STRING:
        return array.astype(object)
    if array.dtype.kind not in "biuf":
        raise InputError(f"input {name!r} takes numbers ({spec}), the file holds {array.dtype}")
    converted = array.astype(spec.dtype)
    if array.dtype.kind == "f" and converted.dtype.kind in "iu" and (converted != array).any():
        raise InputError(f"input {name!r} takes {spec.dtype}, the file holds fractions")
    return converted
