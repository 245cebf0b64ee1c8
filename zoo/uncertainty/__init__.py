"""What the confidence of a model is worth: temperatures, prediction sets and intervals, fitted on rows that chose nothing.

Fitting is NumPy and SciPy alone; what is served is in `zoo.uncertainty.answers`.
"""

from zoo.uncertainty.classes import calibrate_classes, hold_out_classes
from zoo.uncertainty.conformal import conformal_quantile
from zoo.uncertainty.coverage import clopper_pearson
from zoo.uncertainty.temperature import calibration_error, fit_temperature
from zoo.uncertainty.values import calibrate_values, hold_out_values

__all__ = [
    "calibrate_classes",
    "calibrate_values",
    "calibration_error",
    "clopper_pearson",
    "conformal_quantile",
    "fit_temperature",
    "hold_out_classes",
    "hold_out_values",
]
