"""How far two trainings are from each other, and how far rounding alone may bring them.

Rounding is not small in every number: where a gradient is 0 but for rounding, Adam divides it by its own size and takes a
whole step. Such numbers are few, and others in every run. So a variable is judged by the median difference of the numbers
in it that moved at all; a wrong gradient is wrong in all of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from training.proof.trial import Arrays, Trial

OF_MOVEMENT = 1e-5
"""Share of the way that a variable went in training that counts as nothing."""
OF_SIZE = 4 * 2.0**-24
"""Share of a variable's largest number: four roundings of a float32."""
OF_METRICS = 1e-6
OF_ROUNDING = 10.0
"""How many times the effect that other rounding had on one device."""


@dataclass(frozen=True)
class Difference:
    """The difference of something between a strategy and one device."""

    name: str
    largest: float
    relative: float
    """The largest, as a share of the largest number of it on one device."""
    typical: float
    """The median over what moved at all."""
    allowed: float
    """What rounding explains of `typical`."""

    @property
    def ok(self) -> bool:
        """Whether rounding can be the reason; it is none for a NaN on one side."""
        return self.typical <= self.allowed and self.largest < float("inf")


@dataclass(frozen=True)
class Comparison:
    """Every difference of two trials, in the order in which they were measured."""

    losses: tuple[Difference, ...]
    metrics: tuple[Difference, ...]
    weights: tuple[Difference, ...]
    others: tuple[Difference, ...]

    @property
    def all(self) -> tuple[Difference, ...]:
        """Return all of them."""
        return (*self.losses, *self.metrics, *self.weights, *self.others)

    @property
    def ok(self) -> bool:
        """Whether nothing differs by more than rounding explains."""
        return all(difference.ok for difference in self.all)


def compare(found: Trial, expected: Trial, rounded: Trial, *, rows: Mapping[str, int]) -> Comparison:
    """Compare a strategy's trial with one device's.

    Args:
        found: the strategy's.
        expected: one device's.
        rounded: one device's, with other rounding: how far it is off tells what rounding does to this model.
        rows: by split; a metric other than the loss may change by one of them, whose answer was on the edge.
    """
    noise = {**_scalars(rounded.losses, expected.losses), **_scalars(rounded.metrics, expected.metrics)}
    of_loss = OF_ROUNDING * max((share for name, share in noise.items() if _is_loss(name)), default=0.0)
    of_numbers = {}
    for name, array in {**expected.losses, **expected.metrics}.items():
        of_numbers[name] = max(OF_METRICS, of_loss) * max(1.0, abs(float(array)))
        if not _is_loss(name):
            of_numbers[name] += OF_ROUNDING * noise[name] + 1 / rows[name.split()[0]]
    of_weights = {
        name: max(OF_MOVEMENT * _largest(expected.moved[name]), OF_SIZE * _largest(array))
        for name, array in expected.weights.items()
    }
    of_others = {name: OF_MOVEMENT * _largest(array) for name, array in expected.others.items()}
    of_weights |= {
        name: max(of_weights[name], OF_ROUNDING * _typical(rounded.weights[name], array, expected.moved[name]))
        for name, array in expected.weights.items()
    }
    of_others |= {
        name: max(of_others[name], OF_ROUNDING * _typical(rounded.others[name], array, array))
        for name, array in expected.others.items()
    }
    return Comparison(
        tuple(_differences(found.losses, expected.losses, expected.losses, of_numbers)),
        tuple(_differences(found.metrics, expected.metrics, expected.metrics, of_numbers)),
        tuple(_differences(found.weights, expected.weights, expected.moved, of_weights)),
        tuple(_differences(found.others, expected.others, expected.others, of_others)),
    )


def _differences(found: Arrays, expected: Arrays, moved: Arrays, allowed: Mapping[str, float]) -> Iterator[Difference]:
    for name in expected.keys() | found.keys() if expected.keys() != found.keys() else expected:
        if name not in found or name not in expected or found[name].shape != expected[name].shape:
            yield Difference(name, np.inf, np.inf, np.inf, 0.0)
            continue
        largest, size = _largest(_distances(found[name], expected[name])), _largest(expected[name])
        typical = _typical(found[name], expected[name], moved[name])
        yield Difference(name, largest, largest / size if size else largest, typical, allowed[name])


def _scalars(found: Arrays, expected: Arrays) -> dict[str, float]:
    """Return relative differences of single numbers."""
    return {
        name: float(_distances(found[name], array)) / max(1.0, abs(float(array))) for name, array in expected.items()
    }


def _is_loss(name: str) -> bool:
    """Tell whether what `Trial` calls so is a loss, which changes little where the weights do."""
    return name.startswith("epoch ") or name.partition(",")[0].endswith("loss")


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how far numbers are apart: 0 where both are the same, NaN and infinity included, else infinity for these."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _typical(a: np.ndarray, b: np.ndarray, moved: np.ndarray) -> float:
    """Return the median distance over what moved or differs."""
    apart = np.atleast_1d(_distances(a, b))
    chosen = apart[(np.atleast_1d(moved) != 0) | (apart != 0)]
    return float(np.median(chosen)) if chosen.size else 0.0


def _largest(array: np.ndarray) -> float:
    """Return the largest absolute number that is one."""
    sizes = np.abs(np.atleast_1d(array).astype(np.float64))
    return float(np.max(sizes[~np.isnan(sizes)], initial=0.0))
