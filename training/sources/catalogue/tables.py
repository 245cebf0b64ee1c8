"""Tables of measurements, one row per case."""

from training.sources.collection import Collection

_CC_BY = "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)"

_BREAST_CANCER = Collection(
    name="sklearn_breast_cancer",
    title="569 tumours, 30 measurements each: malignant or benign",
    licence=_CC_BY,
    attribution="W. Wolberg, O. Mangasarian, N. Street and W. Street, Breast Cancer Wisconsin (Diagnostic), UCI Machine"
    " Learning Repository, 1993",
    homepage="https://doi.org/10.24432/C5DW2B",
    citation="""\
@misc{wolberg1993breast,
  author = {Wolberg, William and Mangasarian, Olvi and Street, Nick and Street, W.},
  title  = {{Breast Cancer Wisconsin (Diagnostic)}},
  year   = {1993},
  howpublished = {UCI Machine Learning Repository},
  doi    = {10.24432/C5DW2B}
}
""",
    splits={"train": 369, "validation": 60, "calibration": 40, "test": 100},
    comes_with="scikit-learn",
)

_WINE = Collection(
    name="sklearn_wine",
    title="178 wines of three growers, 13 chemical measurements each",
    licence=_CC_BY,
    attribution="S. Aeberhard and M. Forina, Wine, UCI Machine Learning Repository, 1992",
    homepage="https://doi.org/10.24432/C5PC7J",
    citation="""\
@misc{aeberhard1992wine,
  author = {Aeberhard, Stefan and Forina, M.},
  title  = {{Wine}},
  year   = {1992},
  howpublished = {UCI Machine Learning Repository},
  doi    = {10.24432/C5PC7J}
}
""",
    splits={"train": 103, "validation": 20, "calibration": 15, "test": 40},
    comes_with="scikit-learn",
)

_DIABETES = Collection(
    name="sklearn_diabetes",
    title="442 patients, 10 measurements each: how far the disease went in a year",
    licence="unknown: neither the authors nor scikit-learn name one of the data",
    attribution="B. Efron, T. Hastie, I. Johnstone and R. Tibshirani, Least Angle Regression, Annals of Statistics 32, 2004",
    homepage="https://www4.stat.ncsu.edu/~boos/var.select/diabetes.html",
    citation="""\
@article{efron2004least,
  author  = {Efron, Bradley and Hastie, Trevor and Johnstone, Iain and Tibshirani, Robert},
  title   = {Least Angle Regression},
  journal = {Annals of Statistics},
  volume  = {32}, number = {2}, pages = {407--499}, year = {2004}
}
""",
    splits={"train": 292, "validation": 40, "calibration": 30, "test": 80},
    comes_with="scikit-learn",
)

TABLES = (_BREAST_CANCER, _WINE, _DIABETES)
"""Data sets of tables."""
