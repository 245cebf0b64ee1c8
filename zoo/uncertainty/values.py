"""Prediction intervals of values."""

from dataclasses import replace

import numpy as np

from zoo.errors import ConfigError
from zoo.passport import Uncertainty
from zoo.uncertainty.conformal import check_level, conformal_quantile, rows_needed
from zoo.uncertainty.coverage import clopper_pearson

SPLIT = "split"
RECENT = "recent"
"""Rows in the order of time, the latest counting most."""


def calibrate_values(values: np.ndarray, labels: np.ndarray, level: float, *, decay: float = 1.0) -> Uncertainty:
    """Fit half widths of intervals that hold the label of a new row with a probability of at least `level`, unit by unit.

    Half the width is the conformal quantile of the absolute residuals (split conformal prediction: Lei, G'Sell, Rinaldo,
    Tibshirani and Wasserman, 2018), the same for every row.

    Args:
        values: what the model said of rows that chose nothing, (rows, units).
        labels: what was true, (rows, units) or, of one unit, (rows,).
        level: between 0 and 1.
        decay: see `conformal_quantile`; the rows are then in the order of time.

    Raises:
        ConfigError: there are too few rows for the level, for whose intervals no width would do; shapes do not fit, or the
            level is out of range.
    """
    check_level(level)
    residuals = np.abs(_residuals(values, labels))
    widths = tuple(conformal_quantile(of_unit, level, decay=decay) for of_unit in residuals.T)
    if not np.isfinite(widths).all():
        raise ConfigError(
            f"{len(residuals)} calibration rows are too few for intervals of level {level:g}, which would have no ends: "
            f"give {rows_needed(level)} or more{', more where old ones count less' if decay < 1 else ''}, or lower the level"
        )
    return Uncertainty(SPLIT if decay == 1 else RECENT, level, len(residuals), widths)


def hold_out_values(found: Uncertainty, values: np.ndarray, labels: np.ndarray) -> Uncertainty:
    """Return what was fitted with what it is worth on held-out rows: coverage, of the unit that has least, and mean width.

    For the arguments see `calibrate_values`, for the errors too.
    """
    covered = np.abs(_residuals(values, labels)) <= np.asarray(found.threshold)
    hits = int(covered.sum(axis=0).min())
    return replace(
        found,
        coverage=hits / len(covered),
        coverage_interval=clopper_pearson(hits, len(covered)),
        held_out_rows=len(covered),
        size=2 * float(np.mean(found.threshold)),
    )


def _residuals(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    labels = np.asarray(labels, np.float64)
    labels = labels[:, np.newaxis] if labels.ndim == 1 else labels
    if values.ndim != 2 or not len(values) or labels.shape != values.shape:
        raise ConfigError(
            f"expected values of shape (rows, units) and labels of the same, of one row or more, got values "
            f"{values.shape} and labels {labels.shape}"
        )
    return labels - np.asarray(values, np.float64)
