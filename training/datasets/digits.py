"""Handwritten digits, 8x8: the copy of a UCI data set that comes inside scikit-learn, with fixed splits."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.splitting import split_stratified
from training.sources import find_collection

SPLITS = find_collection("sklearn_digits").splits
"""Rows of each split: held-out enough that one wrong digit is a third of a percent."""
SPLIT_SEED = 1998

_DESCRIPTION = """\
1,797 grey images of handwritten digits, 8x8 pixels, from 43 people: the test part of the UCI data set, as it comes with
scikit-learn. Pixels counted ink from 0 to 16; they are stretched to 0..255, so that an ordinary grey image means the same.
The splits are stratified by digit and fixed. Writers are not told apart in this copy, so they are not kept apart either.
"""
_CITATION = """\
@misc{alpaydin1998optical,
  author = {Alpaydin, E. and Kaynak, C.},
  title  = {{Optical Recognition of Handwritten Digits}},
  year   = {1998},
  howpublished = {UCI Machine Learning Repository},
  doi    = {10.24432/C50P49}
}
"""


class SklearnDigits(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `sklearn_digits`: (image uint8 (8, 8, 1), label 0..9). Prepares without a network."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), dtype=np.uint8, encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=[str(digit) for digit in range(10)]),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://doi.org/10.24432/C50P49",
            citation=_CITATION,
            license="CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)",
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # nothing to download
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        splits = split_rows(digits.target)
        return {name: self._generate_examples(images, digits.target, rows) for name, rows in splits.items()}

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            yield row, {"image": images[row], "label": int(labels[row])}


def split_rows(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Return the row numbers of each split: disjoint, stratified by label, always the same."""
    return split_stratified(labels, SPLITS, seed=SPLIT_SEED)
