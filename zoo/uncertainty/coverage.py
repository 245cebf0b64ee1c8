"""How far a share of hits may be from the truth."""

from scipy.stats import beta


def clopper_pearson(hits: float, trials: float, level: float = 0.95) -> tuple[float, float]:
    """Return the exact confidence interval of a proportion (Clopper and Pearson, 1934).

    It holds the true proportion in at least `level` of all samples, however few and whatever the proportion.

    Args:
        hits: how many of the trials succeeded.
        trials: how many there were, independent of each other; of none, everything is possible: (0, 1).
        level: between 0 and 1.
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, trials - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, trials - hits)) if hits < trials else 1.0
    return low, high
