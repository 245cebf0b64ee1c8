"""The model that signatures are made of."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.endpoints import Classes, Endpoint, NamedModel

GOLDEN_ROWS = 2
"""Of every signature but `serving_default`."""
GOLDEN_BYTES = 2**16
"""A passport keeps no golden inputs of other signatures that take more."""


@dataclass(frozen=True)
class Subject:
    """A model, what it answers, and what that means."""

    named: NamedModel
    classes: Mapping[str, Classes]
    """By output of probabilities."""
    rows: Mapping[str, np.ndarray]
    """Golden rows of input, by name."""
    answers: Mapping[str, np.ndarray]
    """What the model answers to them, without what signatures add."""
    serve: Endpoint
    """What `serving_default` answers. It is traced once, however many signatures call it."""

    def few(self) -> dict[str, np.ndarray] | None:
        """Return the first golden rows, for a signature with the inputs of the model; None where they are large."""
        return few(self.rows)


def few(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
    """Return the first rows of inputs by name; None where a passport should not hold so much."""
    first = {name: array[:GOLDEN_ROWS] for name, array in rows.items()}
    return first if sum(_bytes(array) for array in first.values()) <= GOLDEN_BYTES else None


def _bytes(array: np.ndarray) -> int:
    return sum(map(len, array.ravel())) if array.dtype == object else array.nbytes
