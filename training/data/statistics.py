"""What the training data held, input by input."""

import numpy as np

from training.data.split import Split
from zoo.passport import Statistics

MOST_FEATURES = 64
"""On the last axis, that are told apart; of more, and of images, all values are one."""
_CHUNK = 2**20
"""Values that are looked at together, as float64: 8 MB."""


def statistics_of(split: Split) -> dict[str, Statistics]:
    """Return minimum, maximum, mean and deviation of every input of numbers, and of strings and ids how many differ.

    Those of rows of features, (rows, features), or of steps of them, are by feature where there are no more than 64. Ids
    are whole numbers of 32 bits or more. Rows are read piece by piece, whose moments are joined (Chan, Golub and LeVeque,
    1983): exact where a sum of squares would not be. Values that are not finite are left out; a feature of no others is 0.
    """
    return {name: _of_input(array) for name, array in split.named_inputs().items()}


def _of_input(array: np.ndarray) -> Statistics:
    if array.dtype.kind in "OSU":
        return Statistics(len(array), distinct=len(set(array.ravel().tolist())))
    if not array.size:
        return Statistics(len(array))
    by_feature = array.ndim in {2, 3} and array.shape[-1] <= MOST_FEATURES
    flat = array.reshape(-1, array.shape[-1]) if by_feature else array.reshape(-1, 1)
    moments = _Moments(flat.shape[1])
    size = max(1, _CHUNK // flat.shape[1])
    for start in range(0, len(flat), size):
        moments.add(flat[start : start + size].astype(np.float64))
    is_id = array.dtype.kind in "iu" and array.dtype.itemsize >= 4
    return Statistics(
        len(array),
        _numbers(moments.minimum),
        _numbers(moments.maximum),
        _numbers(moments.mean),
        _numbers(np.sqrt(moments.squares / np.maximum(moments.count, 1))),
        distinct=len(np.unique(array)) if is_id else None,
    )


class _Moments:
    """Count, mean and sum of squared distances from it, by column, of rows seen so far."""

    def __init__(self, columns: int) -> None:
        self.count = np.zeros(columns)
        self.mean = np.zeros(columns)
        self.squares = np.zeros(columns)
        self.minimum = np.full(columns, np.inf)
        self.maximum = np.full(columns, -np.inf)

    def add(self, rows: np.ndarray) -> None:
        finite = np.isfinite(rows)
        count = finite.sum(axis=0)
        known = np.where(finite, rows, 0.0)
        mean = known.sum(axis=0) / np.maximum(count, 1)
        squares = (np.where(finite, known - mean, 0.0) ** 2).sum(axis=0)
        whole = np.maximum(self.count + count, 1)
        distance = mean - self.mean
        self.squares += squares + distance**2 * self.count * count / whole
        self.mean += distance * count / whole
        self.count += count
        self.minimum = np.minimum(self.minimum, np.where(finite, rows, np.inf).min(axis=0))
        self.maximum = np.maximum(self.maximum, np.where(finite, rows, -np.inf).max(axis=0))


def _numbers(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(value) if np.isfinite(value) else 0.0 for value in values)
