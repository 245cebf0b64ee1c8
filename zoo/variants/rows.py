"""The rows on which variants are compared with the SavedModel, and those that full quantization is calibrated on."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.errors import ExportError

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
    """Real rows, others than the compared ones where there are any; None where all rows are made up."""

    def batches(self) -> Iterator[dict[str, np.ndarray]]:
        """Give the compared rows in batches of several sizes."""
        total, start = count(self.compared), 0
        for size in itertools.chain(_BATCHES, itertools.repeat(_BATCHES[-1])):
            if start >= total:
                return
            yield {name: array[start : start + size] for name, array in self.compared.items()}
            start += size


def choose_rows(
    golden: Arrays, examples: np.ndarray | Arrays | None, calibration: np.ndarray | Arrays | None = None
) -> Rows:
    """Choose among the examples; without any, there are the golden rows alone.

    Args:
        golden: rows by input, the first of the examples.
        examples: rows to be compared on, and without `calibration` also those to calibrate on.
        calibration: rows to calibrate on, from which some are taken at equal distances.

    Raises:
        ExportError: `calibration` does not fit the model's inputs.
    """
    learnt = None if calibration is None else _spread(golden, _by_name(golden, calibration))
    if examples is None:
        return Rows(golden, count(golden), learnt)
    given = _by_name(golden, examples)

    def part(start: int, stop: int) -> dict[str, np.ndarray]:
        return {name: _as(golden[name], given[name][start:stop]) for name in golden}

    start = min(COMPARED, max(0, _available(given) - CALIBRATED))
    return Rows(part(0, COMPARED), count(golden), part(start, start + CALIBRATED) if learnt is None else learnt)


def _spread(golden: Arrays, given: Arrays) -> dict[str, np.ndarray]:
    """Return rows from all over what is given, which may be sorted."""
    wrong = [name for name in golden if name not in given or given[name].shape[1:] != golden[name].shape[1:]]
    if wrong or not _available(given):
        name = (wrong or list(golden))[0]
        got = given[name].shape if name in given else "none"
        wanted = ", ".join(["rows", *map(str, golden[name].shape[1:])])
        raise ExportError(f"calibration rows of {name!r}: expected shape ({wanted}) with a row at least, got {got}")
    places = np.unique(np.linspace(0, _available(given) - 1, CALIBRATED).round().astype(int))
    return {name: _as(golden[name], given[name][places]) for name in golden}


def _by_name(golden: Arrays, given: np.ndarray | Arrays) -> dict[str, np.ndarray]:
    named = given if isinstance(given, Mapping) else dict.fromkeys(golden, given)
    return {name: np.asarray(array) for name, array in named.items()}


def _available(rows: Arrays) -> int:
    return min(len(array) for array in rows.values())


def count(rows: Arrays) -> int:
    """Return the number of rows."""
    return len(next(iter(rows.values())))


def _as(like: np.ndarray, values: Any) -> np.ndarray:
    array = np.asarray(values)
    return array if like.dtype == object else array.astype(like.dtype)
