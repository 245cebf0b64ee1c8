"""The rows on which variants are compared with the SavedModel, and those that full quantization is calibrated on."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

COMPARED = 256
CALIBRATED = 128
_BATCHES = (1, 2, 7, 32)
"""Rows in the first calls; the last number is that of all further ones, small enough for the memory of large models."""

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Rows:
    """Rows of input by name, each (rows, ...)."""

    compared: Arrays
    """The golden rows first."""
    golden: int
    """How many of the compared rows are golden."""
    calibrating: Arrays | None
    """Real rows, others than the compared ones where there are enough; None where all rows are made up."""

    def batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Give the compared rows in batches of several sizes."""
        total, start = count(self.compared), 0
        for size in itertools.chain(_BATCHES, itertools.repeat(_BATCHES[-1])):
            if start >= total:
                return
            yield {name: array[start : start + size] for name, array in self.compared.items()}
            start += size


def choose_rows(golden: Arrays, examples: np.ndarray | Arrays | None) -> Rows:
    """Choose among the examples; without any, there are the golden rows alone."""
    if examples is None:
        return Rows(golden, count(golden), None)
    given = examples if isinstance(examples, Mapping) else dict.fromkeys(golden, examples)

    def part(start: int, stop: int) -> dict[str, np.ndarray]:
        return {name: _as(golden[name], given[name][start:stop]) for name in golden}

    available = min(len(given[name]) for name in golden)
    start = min(COMPARED, max(0, available - CALIBRATED))
    return Rows(part(0, COMPARED), count(golden), part(start, start + CALIBRATED))


def count(rows: Arrays) -> int:
    """Return the number of rows."""
    return len(next(iter(rows.values())))


def _as(like: np.ndarray, values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array if like.dtype == object else array.astype(like.dtype)
