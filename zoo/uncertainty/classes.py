"""Calibrated probabilities and prediction sets of classes."""

from dataclasses import replace

import numpy as np

from zoo.errors import ConfigError
from zoo.passport import Uncertainty
from zoo.uncertainty.conformal import check_level, conformal_quantile
from zoo.uncertainty.coverage import clopper_pearson
from zoo.uncertainty.temperature import calibration_error, fit_temperature, probabilities_of, reliability

SETS = "temperature+lac"
SETS_IN_TIME = "temperature+lac+recent"
TEMPERATURE = "temperature"
"""Alone: of labels that do not exclude each other, whose probabilities are calibrated and that have no sets."""


def calibrate_classes(
    logits: np.ndarray, labels: np.ndarray, level: float, *, exclusive: bool = True, decay: float = 1.0
) -> Uncertainty:
    """Fit a temperature, and the threshold of sets that hold the label of a new row with a probability of at least `level`.

    A class is in the set where 1 - its probability is at most the conformal quantile of what that was for the labels of the
    calibration rows (least ambiguous sets: Sadinle, Lei and Wasserman, 2019), and where it is the likeliest. That the same
    rows gave the one number of the temperature is left out of account; coverage on held-out rows shows what it costs.
    With too few rows for the level every class is in the set: the threshold is 1.

    Args:
        logits: of rows that chose nothing, (rows, classes); of two classes with one unit, and of labels that do not exclude
            each other, (rows, units).
        labels: class numbers, (rows,); with `exclusive` false, 0 and 1, (rows, units).
        level: between 0 and 1.
        exclusive: whether a row is of one class.
        decay: see `conformal_quantile`; the rows are then in the order of time.

    Raises:
        ConfigError: there is no row, shapes do not fit, or the level is out of range.
    """
    check_level(level)
    labels = _fitting(logits, labels, exclusive=exclusive)
    if not exclusive:
        return Uncertainty(TEMPERATURE, level, len(logits), (), temperature=fit_temperature(logits, labels))
    pairs = two_class_logits(logits)
    temperature = fit_temperature(pairs, labels)
    chances = probabilities_of(pairs, temperature, exclusive=True)
    scores = 1 - chances[np.arange(len(labels)), labels]
    threshold = min(conformal_quantile(scores, level, decay=decay), 1.0)
    method = SETS if decay == 1 else SETS_IN_TIME
    return Uncertainty(method, level, len(logits), (threshold,), temperature=temperature)


def hold_out_classes(found: Uncertainty, logits: np.ndarray, labels: np.ndarray) -> Uncertainty:
    """Return what was fitted with what it is worth on held-out rows: calibration error, and coverage and size of the sets.

    For the arguments see `calibrate_classes`, for the errors too.
    """
    exclusive = found.method != TEMPERATURE
    labels = _fitting(logits, labels, exclusive=exclusive)
    chances = [_chances(logits, t, exclusive=exclusive) for t in (1.0, found.temperature or 1.0)]
    before, after = (_confidence(chance, labels, exclusive=exclusive) for chance in chances)
    found = replace(
        found,
        calibration_error=(calibration_error(*before), calibration_error(*after)),
        reliability=reliability(*after),
        held_out_rows=len(labels),
    )
    if not exclusive:
        return found
    sets = sets_of(chances[1], found.threshold[0])
    covered = sets[np.arange(len(labels)), labels]
    return replace(
        found,
        coverage=float(covered.mean()),
        coverage_interval=clopper_pearson(int(covered.sum()), len(labels)),
        size=float(sets.sum(axis=1).mean()),
    )


def sets_of(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return which classes are in the sets, (rows, classes): those of a score up to the threshold, and the likeliest."""
    inside = 1 - probabilities <= threshold
    inside[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return inside


def two_class_logits(logits: np.ndarray) -> np.ndarray:
    """Return logits with one column per class: of one sigmoid unit, 0 for class 0 and its own for class 1."""
    return np.concatenate([np.zeros_like(logits), logits], axis=1) if logits.shape[1] == 1 else logits


def _chances(logits: np.ndarray, temperature: float, *, exclusive: bool) -> np.ndarray:
    return probabilities_of(two_class_logits(logits) if exclusive else logits, temperature, exclusive=exclusive)


def _confidence(chances: np.ndarray, labels: np.ndarray, *, exclusive: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the probability of what is said, and whether it is right: of the likeliest class, or of each label."""
    if exclusive:
        return chances.max(axis=1), chances.argmax(axis=1) == labels
    return np.maximum(chances, 1 - chances).ravel(), ((chances >= 0.5) == (labels >= 0.5)).ravel()


def _fitting(logits: np.ndarray, labels: np.ndarray, *, exclusive: bool) -> np.ndarray:
    labels = np.asarray(labels)
    wanted = logits.shape[:1] if exclusive else logits.shape
    if logits.ndim != 2 or not len(logits) or labels.shape != wanted:
        raise ConfigError(
            f"expected logits of shape (rows, classes) and a label for each of one row or more, got logits "
            f"{logits.shape} and labels {labels.shape}"
        )
    return labels.astype(np.int64) if exclusive else labels
