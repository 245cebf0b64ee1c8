"""Temperature scaling, and how far confidence is from the share of hits."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax

from zoo.passport import Reliability

BINS = 15
"""Of confidence in the expected calibration error, as in Guo et al. (2017)."""
_RANGE = (1e-2, 1e2)
"""Of temperatures that are looked at."""


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the one number to divide logits by so that their probabilities fit the labels best (Guo et al., 2017).

    What is minimised is the mean negative log-likelihood. Where every row is right, that would make the model ever more
    certain; so, like in Platt (1999), one more row is counted whose label may be any of the classes alike.

    Args:
        logits: of a softmax with class numbers as labels; of sigmoids with labels of the same shape, 0 or 1.
            (rows, classes) or (rows, units).
        labels: (rows,) for a softmax, (rows, units) for sigmoids.
    """
    logits = np.asarray(logits, np.float64)
    targets = _smooth(logits.shape, labels)

    def surprise(log_temperature: float) -> float:
        x = logits / np.exp(log_temperature)
        if labels.ndim == logits.ndim:
            return float(-np.mean(targets * log_expit(x) + (1 - targets) * log_expit(-x)))
        return float(-np.mean(np.sum(targets * log_softmax(x, axis=-1), axis=-1)))

    low, high = np.log(_RANGE)
    grid = np.linspace(low, high, 61)  # convex in 1 / temperature: one valley, found first roughly
    best = int(np.argmin([surprise(point) for point in grid]))
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x))


def probabilities_of(logits: np.ndarray, temperature: float, *, exclusive: bool) -> np.ndarray:
    """Return the probabilities of logits at a temperature: of a softmax where classes exclude each other, else sigmoids."""
    x = np.asarray(logits, np.float64) / temperature
    return softmax(x, axis=-1) if exclusive else expit(x)


def calibration_error(confidence: np.ndarray, hits: np.ndarray, bins: int = BINS) -> float:
    """Return the expected calibration error: the gap between mean confidence and share of hits, the mean over rows.

    Of bins of equal width (Naeini, Cooper and Hauskrecht, 2015).

    Args:
        confidence: probability of what was said, (rows,).
        hits: whether it was right, (rows,).
        bins: how many.
    """
    found = reliability(confidence, hits, bins)
    gaps = np.abs(np.subtract(found.confidence, found.accuracy))
    return float(np.average(gaps, weights=found.rows))


def reliability(confidence: np.ndarray, hits: np.ndarray, bins: int = BINS) -> Reliability:
    """Return mean confidence and share of hits in each bin of equal width. For the arguments see `calibration_error`."""
    number = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    rows = np.bincount(number, minlength=bins)
    filled = rows > 0
    sure, right = (np.bincount(number, weights=x, minlength=bins)[filled] / rows[filled] for x in (confidence, hits))
    return Reliability(tuple(sure.tolist()), tuple(right.tolist()), tuple(rows[filled].tolist()))


def _smooth(shape: tuple[int, ...], labels: np.ndarray) -> np.ndarray:
    """Return labels as shares of classes, with those of one more row, of any class, spread over all rows."""
    rows = shape[0]
    if labels.ndim == len(shape):
        return np.asarray((labels * rows + 0.5) / (rows + 1), np.float64)
    shares = np.eye(shape[-1])[labels.astype(int)]
    return np.asarray((shares * rows + 1 / shape[-1]) / (rows + 1), np.float64)
