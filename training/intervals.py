"""How far a metric may be from the truth: 95 % confidence intervals from the sums of groups of rows."""

import math

import numpy as np
from scipy.stats import t as student

from training.objectives import Ledger
from zoo.uncertainty.coverage import clopper_pearson

LEVEL = 0.95
GROUPS = 100
"""Into which rows are put at random."""
BLOCKS = 20
"""Into which rows are cut in the order of time: long enough that what one tells of the next hardly matters."""

Interval = tuple[float, float]


def metric_intervals(ledger: Ledger, groups: np.ndarray, *, plain: bool = True) -> dict[str, Interval]:
    """Return the 95 % confidence interval of everything that a ledger measures, by name.

    The delete-a-group jackknife (Quenouille, 1956; Kott, 2001): each metric is computed from the sums of all groups but
    one, which tells its standard error, with a t distribution of (groups - 1) degrees of freedom, and within what the metric
    can be. A plain share of rows has the exact interval of Clopper and Pearson (1934): of rows that are all right, too, it
    tells how many might not have been.

    Args:
        ledger: how sums become metrics.
        groups: sums of groups of about as many rows each, (groups, width): at random, or in time blocks of it.
        plain: whether all rows count as 1 and tell nothing of each other: without that, no share is exact.

    Returns:
        Nothing of what is not finite, or of a single group.
    """
    total = groups.sum(axis=0)
    value = ledger.values(total)
    shares = ledger.shares(total) if plain else {}
    count = len(groups)
    without = [ledger.values(total - group) for group in groups] if count > 1 else []
    found: dict[str, Interval] = {}
    for name, measured in value.items():
        rest = np.array([values[name] for values in without])
        if name in shares and math.isfinite(measured):
            found[name] = clopper_pearson(*shares[name], LEVEL)
        elif len(rest) and math.isfinite(measured) and np.isfinite(rest).all():
            error = math.sqrt((count - 1) / count * float(np.sum((rest - rest.mean()) ** 2)))
            reach = float(student.ppf((1 + LEVEL) / 2, count - 1)) * error
            low, high = _limits(name)
            found[name] = max(low, measured - reach), min(high, measured + reach)
    return found


def _limits(name: str) -> Interval:
    """Return what a metric can be at least and at most; of several heads, names have the head's in front."""
    for ending, limits in _LIMITS.items():
        if name == ending or name.endswith("_" + ending):
            return limits
    return -math.inf, math.inf  # a loss may have penalties and weights of any kind


_LIMITS = {
    "accuracy": (0.0, 1.0),
    "auc": (0.0, 1.0),
    "precision": (0.0, 1.0),
    "recall": (0.0, 1.0),
    "perplexity": (1.0, math.inf),
    "mae": (0.0, math.inf),
    "mse": (0.0, math.inf),
    "rmse": (0.0, math.inf),
    "loss": (0.0, math.inf),
    "r2": (-math.inf, 1.0),
}
