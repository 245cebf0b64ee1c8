"""How far a variant's answers are from the SavedModel's, and whether that is near enough."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from zoo.passport import Tolerance
from zoo.tensors import differences
from zoo.variants.errors import NoVariantError

FLIPS = 0.02
"""Share of rows whose class quantization may change."""
NOISE = 0.05
"""Root mean square of the error that quantization may bring: of probabilities as it is, of other numbers as a share of
their standard deviation. It then costs at most 0.0025 of what R2 is without."""
_SLACK = 1.5
"""Another processor rounds otherwise: `zoo verify` allows this multiple of the error that was found."""

Answers = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Agreement:
    """What the comparison of answers to the same rows found."""

    error: float
    """Largest distance of two numbers."""
    flips: float
    """Largest share of other classes in an output of whole numbers."""
    tolerance: Tolerance


def agree_exactly(got: Answers, expected: Answers) -> Agreement:
    """Compare float32 with float32: what is left is the order in which numbers are added up.

    Raises:
        NoVariantError: there is more to it.
    """
    numbers = [np.abs(array).max(initial=0) for array in expected.values() if array.dtype.kind == "f"]
    tolerance = Tolerance(absolute=1e-5 * max(1.0, float(max(numbers, default=0))), label_flips=0.01)
    faults = differences(got, expected, tolerance)
    if faults:
        raise NoVariantError(f"it does not answer as the SavedModel does: {'; '.join(faults)}")
    return Agreement(_error(got, expected), _flips(got, expected), tolerance)


def agree_nearly(got: Answers, expected: Answers, probabilities: set[str], golden: int) -> Agreement:
    """Compare a quantized model with the one in float32.

    Args:
        got: of the quantized model, by output.
        expected: of the SavedModel.
        probabilities: the outputs that hold some.
        golden: how many of the rows, the first ones, `zoo verify` will run again.

    Raises:
        NoVariantError: quantization costs more than `FLIPS` or `NOISE`.
    """
    for name, right in expected.items():
        if right.dtype.kind != "f":
            continue
        distance = got[name].astype(np.float64) - right.astype(np.float64)
        noise = float(np.sqrt(np.mean(distance**2)))
        scale = 1.0 if name in probabilities else float(right.std(dtype=np.float64))
        if not noise <= max(NOISE * scale, 1e-5):
            against = "" if name in probabilities else f" of a standard deviation of {scale:.3g}"
            raise NoVariantError(
                f"quantization moves {name} by {noise:.3g}{against} (root mean square of {len(right)} rows), at most "
                f"{NOISE:.0%} is accepted"
            )
    flips = _flips(got, expected)
    if flips > FLIPS:
        rows = max(map(len, expected.values()))
        raise NoVariantError(
            f"quantization gives {flips:.1%} of {rows} rows another class, at most {FLIPS:.0%} is accepted"
        )
    error = _error(got, expected)
    first = [{name: array[:golden] for name, array in answers.items()} for answers in (got, expected)]
    return Agreement(error, flips, Tolerance(_SLACK * error + 1e-5, 1e-5, max(FLIPS, _flips(*first))))


def _error(got: Answers, expected: Answers) -> float:
    return max(
        (float(np.abs(got[k] - x).max(initial=0)) for k, x in expected.items() if x.dtype.kind == "f"), default=0
    )


def _flips(got: Answers, expected: Answers) -> float:
    return max((float((got[k] != x).mean()) for k, x in expected.items() if x.dtype.kind != "f"), default=0)
