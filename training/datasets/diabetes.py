"""How far diabetes went in a year: the data of the LARS paper, as it comes inside scikit-learn, with fixed splits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.splitting import split_shuffled
from training.sources import find_collection

COLLECTION = find_collection("sklearn_diabetes")
SPLIT_SEED = 2004

_DESCRIPTION = """\
442 patients; age, sex, body mass index, blood pressure and six blood measurements, in the measured units, not scaled.
The target is a measure of how far the disease went within a year, 25 to 346. The splits are random and fixed.
"""


class SklearnDiabetes(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `sklearn_diabetes`: (features float32 (10,), target float32). Prepares without a network."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "features": tfds.features.Tensor(shape=(10,), dtype=np.float32),
                "target": tfds.features.Scalar(np.float32),
            },
            supervised_keys=("features", "target"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing to download
        from sklearn.datasets import load_diabetes

        table = load_diabetes(scaled=False)
        splits = split_shuffled(len(table.target), COLLECTION.splits, seed=SPLIT_SEED)
        return {name: self._generate_examples(table, rows) for name, rows in splits.items()}

    def _generate_examples(self, table: Any, rows: np.ndarray) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            yield row, {"features": table.data[row].astype(np.float32), "target": float(table.target[row])}
