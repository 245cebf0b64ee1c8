"""A data set: splits and what is known of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from training.data.split import Split
from zoo.errors import ConfigError, UnknownNameError, did_you_mean


@dataclass(frozen=True, eq=False)
class Dataset:
    """Splits and what is known of them. Training needs `train` and `validation`; `test` is evaluated at the end."""

    name: str
    splits: Mapping[str, Split]
    version: str = ""
    licence: str = ""
    citation: str = ""
    class_names: tuple[str, ...] = ()
    """The label of each class, where labels are classes."""
    in_time: bool = False
    """Whether rows are in the order of time, in each split and from train over validation and calibration to test."""
    description: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name, split in self.splits.items():
            if not isinstance(split, Split):
                raise ConfigError(
                    f"split {name!r}: expected a training.Split, got {type(split).__name__}: Split(inputs, labels)"
                )

    def split(self, name: str) -> Split:
        """Return a split. Raises UnknownNameError where there is none of that name."""
        if name not in self.splits:
            remedy = "; say in data.splits which rows are to learn from" if name == "train" else ""
            raise UnknownNameError(
                f"data set {self.name!r} has no split {name!r}; {did_you_mean(name, self.splits)}{remedy}"
            )
        return self.splits[name]

    def only(self, name: str) -> "Dataset":
        """Return the data set with no split but this one. Raises UnknownNameError where there is none of that name."""
        return replace(self, splits={name: self.split(name)})

    @cached_property
    def fingerprint(self) -> str:
        """`sha256:<hex>` over every row of every split: names, dtypes, shapes and bytes."""
        digest = hashlib.sha256()
        for name, split in sorted(self.splits.items()):
            weights = {} if split.weights is None else {"weights of rows": split.weights}
            for part, array in {**split.named_inputs(), **split.named_labels(), **weights}.items():
                digest.update(f"{name}/{part}:{array.dtype.str}{array.shape}".encode())
                digest.update(_bytes_of(array))
        return "sha256:" + digest.hexdigest()

    def input_ranges(self) -> dict[str, tuple[float, float]]:
        """Return the smallest and largest value of every input of numbers in the training split."""
        inputs = self.split("train").named_inputs()
        return {name: (float(x.min()), float(x.max())) for name, x in inputs.items() if x.dtype.kind not in "OSU"}

    def facts(self) -> dict[str, Any]:
        """Return what a passport says of the data."""
        return {
            "name": self.name,
            "version": self.version,
            "fingerprint": self.fingerprint,
            "splits": {name: len(split) for name, split in self.splits.items()},
            "licence": self.licence,
            "citation": self.citation,
        }


def _bytes_of(array: np.ndarray) -> bytes:
    if array.dtype.kind != "O":
        return np.ascontiguousarray(array).tobytes()
    items = (item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel())
    return b"".join(len(item).to_bytes(8, "little") + item for item in items)  # an object array's bytes are addresses
