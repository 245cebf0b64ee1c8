"""What the confidence of a model is worth: temperatures, prediction sets and intervals, fitted on rows that chose nothing.

Fitting is NumPy and SciPy alone, imported when first used; what is served is in `zoo.uncertainty.answers`.
"""

from typing import TYPE_CHECKING

from zoo.lazy import lazy_names

if TYPE_CHECKING:
    from zoo.uncertainty.classes import calibrate_classes, hold_out_classes
    from zoo.uncertainty.conformal import conformal_quantile
    from zoo.uncertainty.coverage import clopper_pearson
    from zoo.uncertainty.temperature import calibration_error, fit_temperature
    from zoo.uncertainty.values import calibrate_values, hold_out_values

__getattr__ = lazy_names(
    __name__,
    {
        "zoo.uncertainty.classes": ("calibrate_classes", "hold_out_classes"),
        "zoo.uncertainty.conformal": ("conformal_quantile",),
        "zoo.uncertainty.coverage": ("clopper_pearson",),
        "zoo.uncertainty.temperature": ("calibration_error", "fit_temperature"),
        "zoo.uncertainty.values": ("calibrate_values", "hold_out_values"),
    },
)

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
