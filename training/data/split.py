"""Rows of one split, as arrays in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.data.alignment import aligned
from zoo.config import INPUT_NAME
from zoo.errors import ConfigError

Arrays = np.ndarray | Mapping[str, np.ndarray]
"""One array, or several by name."""


@dataclass(frozen=True, eq=False)
class Split:
    """Rows of one split: inputs (rows, ...) and their labels (rows, ...).

    Both are one array, or where a model has several inputs or heads, one by the name of each.
    """

    inputs: Arrays
    labels: Arrays
    weights: np.ndarray | None = None
    """What every row counts for in loss and metrics, (rows,), or every step of it, (rows, steps); None is 1 for each. What
    has weight 0 is as if it were not there."""

    def __post_init__(self) -> None:
        if self.weights is not None:
            _check_weights(self.weights, len(self))
        for name, inputs in self.named_inputs().items():
            several = isinstance(self.inputs, Mapping)
            _refuse_scalar(f"inputs{f' {name!r}' if several else ''}", inputs)
            if len(inputs) != len(self):
                raise ConfigError(f"{len(self)} rows of the first input, but {len(inputs)} of {name!r}")
        for name, labels in self.named_labels().items():
            _refuse_scalar(f"labels{name and f' of {name!r}'}", labels)
            if len(labels) != len(self):
                raise ConfigError(f"{len(self)} rows of inputs, but {len(labels)} labels{name and f' of {name!r}'}")

    def __len__(self) -> int:
        return len(next(iter(self.named_inputs().values()), ()))

    def named_inputs(self) -> dict[str, np.ndarray]:
        """Return the inputs by name; a single, unnamed one as `inputs`."""
        return dict(self.inputs) if isinstance(self.inputs, Mapping) else {INPUT_NAME: self.inputs}

    def named_labels(self) -> dict[str, np.ndarray]:
        """Return the labels by head name; those of a single, unnamed head under the empty name."""
        return dict(self.labels) if isinstance(self.labels, Mapping) else {"": self.labels}

    def between(self, start: int, end: int) -> "Split":
        """Return the rows from `start` up to `end`."""
        return self.taken(slice(start, end))

    def taken(self, rows: slice | np.ndarray) -> "Split":
        """Return some rows: a slice, or their numbers."""
        weights = None if self.weights is None else self.weights[rows]
        return Split(_taken(self.inputs, rows), _taken(self.labels, rows), weights)

    def aligned(self) -> "Split":
        """Return the same rows where TensorFlow can read them without a copy; do not change them while it does."""
        return Split(_aligned(self.inputs), _aligned(self.labels), self.weights)


def _aligned(arrays: Arrays) -> Arrays:
    if isinstance(arrays, Mapping):
        return {name: aligned(array) for name, array in arrays.items()}
    return aligned(arrays)


def _taken(arrays: Arrays, rows: slice | np.ndarray) -> Arrays:
    if isinstance(arrays, Mapping):
        return {name: array[rows] for name, array in arrays.items()}
    return arrays[rows]


def _check_weights(weights: np.ndarray, rows: int) -> None:
    if np.ndim(weights) not in {1, 2} or len(weights) != rows:
        raise ConfigError(f"{rows} rows, but weights of shape {list(np.shape(weights))}: give one for every row")
    if not np.issubdtype(np.asarray(weights).dtype, np.number) or not (np.isfinite(weights) & (weights >= 0)).all():
        raise ConfigError("weights: expected finite numbers, 0 or more; 0 leaves a row out")


def _refuse_scalar(what: str, rows: Any) -> None:
    if np.ndim(rows) == 0:
        raise ConfigError(f"{what} are the one value {rows!r:.60}, expected an array with an entry per row")
