"""The conformal quantile: how strange a label may look and still be expected."""

import math

import numpy as np

from zoo.errors import ConfigError

DECAY = 0.99
"""What each step back in time takes from the weight of a row, as in the experiments of Barber et al. (2023)."""


def conformal_quantile(scores: np.ndarray, level: float, *, decay: float = 1.0) -> float:
    """Return the score that a new row of the same kind stays at or below with a probability of at least `level`.

    It is the smallest score s for which the calibration rows at or below s have `level` of all weight, the new row's own
    included, as if its score were infinite (Vovk et al., 2005). With equal weights: the ceil((n + 1) level)-th smallest.

    Args:
        scores: of the calibration rows, (rows,); in the order of time where `decay` is below 1.
        level: between 0 and 1.
        decay: 1 takes all rows as exchangeable with the new one. Below 1, a row counts `decay` times as much as the next,
            and the new row 1: the past is remembered less and less (Barber, Candès, Ramdas and Tibshirani, 2023).

    Returns:
        Infinity where there are too few rows to tell: fewer than level / (1 - level) of equal weight.

    Raises:
        ConfigError: the level or the decay is out of range.
    """
    check_level(level)
    if not 0 < decay <= 1:
        raise ConfigError(f"decay: expected a number above 0 and up to 1, got {decay}")
    rows = len(scores)
    if decay == 1:
        rank = math.ceil(_exact((rows + 1) * level))
        return float(np.sort(scores)[rank - 1]) if rank <= rows else math.inf
    weights = decay ** np.arange(rows, 0, -1)
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order]) >= level * (weights.sum() + 1)
    return float(scores[order][np.argmax(reached)]) if reached.any() else math.inf


def rows_needed(level: float) -> int:
    """Return how many exchangeable rows a finite quantile takes."""
    return math.ceil(_exact(level / (1 - level)))


def check_level(level: float) -> None:
    """Refuse what is no share of rows. Raises ConfigError."""
    if not 0 < level < 1:
        raise ConfigError(f"level: expected a share of rows between 0 and 1, such as 0.9, got {level}")


def _exact(value: float) -> float:
    """Return a product of decimal fractions without its last bits: 20 x 0.95 is 19, 0.9 / 0.1 is 9."""
    return round(value, 9)
