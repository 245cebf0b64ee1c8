"""How well classes were told apart: counts and rates, without pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10
"""Of confidence, in the reliability diagram."""


@dataclass(frozen=True)
class ClassScores:
    """Scores of one class; NaN where nothing can be said."""

    name: str
    precision: float
    recall: float
    f1: float
    support: float
    """How many entries are of the class."""


def confusion(true: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """Return how often class `row` was taken for class `column`, (classes, classes)."""
    return np.bincount(true.astype(np.int64) * classes + said, minlength=classes * classes).reshape(classes, classes)


def class_scores(matrix: np.ndarray, names: Sequence[str]) -> list[ClassScores]:
    """Return precision, recall and F1 of every class of a confusion matrix."""
    hits, said, true = np.diag(matrix), matrix.sum(0), matrix.sum(1)
    return [_scores(*row) for row in zip(names, hits.tolist(), said.tolist(), true.tolist(), strict=True)]


def label_scores(true: np.ndarray, said: np.ndarray, names: Sequence[str]) -> list[ClassScores]:
    """Return precision, recall and F1 of labels of which an entry may have several, from (entries, labels) of 0 and 1."""
    hits = (true * said).sum(0)
    return [_scores(*row) for row in zip(names, hits.tolist(), said.sum(0).tolist(), true.sum(0).tolist(), strict=True)]


def _scores(name: str, hits: float, said: float, true: float) -> ClassScores:
    precision = hits / said if said else float("nan")
    recall = hits / true if true else float("nan")
    return ClassScores(name, precision, recall, 2 * hits / (said + true) if said + true else float("nan"), true)


def confused_pairs(matrix: np.ndarray, names: Sequence[str], most: int = 10) -> list[tuple[str, str, int, float]]:
    """Return (true class, what it was taken for, how often, share of the true class), the most frequent first."""
    wrong = matrix.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    pairs = []
    for true, said in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, said]:
            share = float(wrong[true, said] / matrix[true].sum())
            pairs.append((names[true], names[said], int(wrong[true, said]), share))
    return pairs


@dataclass(frozen=True)
class Reliability:
    """Whether what is said with confidence 0.9 is right nine times out of ten."""

    confidence: np.ndarray
    """Mean of each bin that is not empty."""
    accuracy: np.ndarray
    count: np.ndarray
    error: float
    """Expected calibration error (Naeini et al., 2015; Guo et al., 2017): mean gap between the two, by entries."""


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """Compare confidence (of 0 to 1) with how often it was right, in bins of equal width."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(at, minlength=bins)
    full = count > 0
    mean = np.bincount(at, confidence, bins)[full] / count[full]
    accuracy = np.bincount(at, right.astype(float), bins)[full] / count[full]
    gap = float(np.sum(count[full] * np.abs(mean - accuracy)) / max(1, len(confidence)))
    return Reliability(mean, accuracy, count[full], gap)
