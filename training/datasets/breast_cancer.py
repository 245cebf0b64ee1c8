"""Tumours, malignant or benign: the copy of a UCI data set that comes inside scikit-learn, with fixed splits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.splitting import split_stratified
from training.sources import find_collection

COLLECTION = find_collection("sklearn_breast_cancer")
SPLIT_SEED = 1993
CLASSES = ("malignant", "benign")

_DESCRIPTION = """\
569 tumours of the breast, 30 measurements of the cell nuclei in a picture of each (mean, standard error and worst of
ten): was it malignant (212, class 0) or benign (357, class 1)? In the measured units, not scaled. The splits are
stratified and fixed.
"""


class SklearnBreastCancer(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `sklearn_breast_cancer`: (features float32 (30,), label, a class). Prepares without a network."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "features": tfds.features.Tensor(shape=(30,), dtype=np.float32),
                "label": tfds.features.ClassLabel(names=list(CLASSES)),
            },
            supervised_keys=("features", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing to download
        from sklearn.datasets import load_breast_cancer

        table = load_breast_cancer()
        splits = split_stratified(table.target, COLLECTION.splits, seed=SPLIT_SEED)
        return {name: self._generate_examples(table, rows) for name, rows in splits.items()}

    def _generate_examples(self, table: Any, rows: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            yield row, {"features": table.data[row].astype(np.float32), "label": int(table.target[row])}
