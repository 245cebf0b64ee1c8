"""Rows to try a signature with: those of its passport, or made-up ones."""

from collections.abc import Iterator

import ml_dtypes
import numpy as np

from serving.signature import Signature, TensorSpec
from zoo.passport import Passport, Tolerance
from zoo.tensors import read_tensor

_ROWS = 4
_LENGTH = 8
"""Of an axis of any length."""


class TrialRows:
    """Inputs of a signature, a few rows each."""

    def __init__(self, signature: Signature, passport: Passport | None = None) -> None:
        self._signature = signature
        self._passport = passport

    def candidates(self) -> Iterator[dict[str, np.ndarray]]:
        """Return inputs of some different rows each, the likeliest to be like real ones first."""
        golden = self._passport.golden.get(self._signature.name) if self._passport else None
        if golden is not None and golden.inputs.keys() == self._signature.inputs.keys():
            rows = {name: read_tensor(tensor)[:_ROWS] for name, tensor in golden.inputs.items()}
            if len(next(iter(rows.values()))) > 1:
                yield rows
        yield {
            name: _made_up(spec, _spread(self._passport, self._signature.name, name)) for name, spec in self._inputs()
        }

    def tolerance(self) -> Tolerance:
        """Return how far answers may differ and still be the same."""
        return self._passport.tolerance if self._passport else Tolerance()

    def _inputs(self) -> Iterator[tuple[str, TensorSpec]]:
        yield from self._signature.inputs.items()


def _dtype(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


def _spread(passport: Passport | None, signature: str, name: str) -> tuple[float, float]:
    facts = passport.signatures.get(signature) if passport else None
    known = facts.inputs.get(name) if facts else None
    return (known.range if known else None) or (0.0, 1.0)


def _made_up(spec: TensorSpec, spread: tuple[float, float]) -> np.ndarray:
    """Return different rows of values that most models take: small numbers, 0 and 1 for ids, digits for strings."""
    shape = (_ROWS, *(_LENGTH if size is None else size for size in (spec.shape or ())[1:]))
    random = np.random.default_rng(0)
    if spec.dtype == "string":
        return np.array([str(number).encode() for number in range(int(np.prod(shape)))], dtype=object).reshape(shape)
    dtype = _dtype(spec.dtype)
    if dtype.kind not in "iub":
        return random.uniform(*spread, shape).astype(dtype)
    numbers = random.integers(0, 2, shape)
    columns = numbers.reshape(_ROWS, -1)[:, :2]
    columns[:] = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])[:, : columns.shape[1]]
    return numbers.astype(dtype)
