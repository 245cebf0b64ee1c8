"""Fashion-MNIST, all of it, with a validation and a calibration split taken out of its training images."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from training.datasets.info import make_info
from training.datasets.splitting import split_stratified
from training.sources import data_files, find_collection

COLLECTION = find_collection("fashion_mnist_70k")
SPLIT_SEED = 2017
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

_DESCRIPTION = """\
70,000 grey pictures of clothes from a shop's catalogue, 28x28 pixels, 7,000 of each class. The test split is the
published one, 10,000 pictures; validation and calibration are 3,000 each of the 60,000 published for training,
stratified and fixed.
"""
_HEADER = {3: 16, 1: 8}
"""Bytes before the data of an idx file with so many dimensions (magic number, then the size of each)."""


class FashionMnist70k(tfds.core.GeneratorBasedBuilder):
    """The TFDS builder `fashion_mnist_70k`: (image uint8 (28, 28, 1), label 0..9)."""

    name = "fashion_mnist_70k"
    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}  # noqa: RUF012 - TFDS's way

    def _info(self) -> Any:
        return make_info(
            self,
            description=_DESCRIPTION,
            features={
                "image": tfds.features.Image(shape=(28, 28, 1), dtype=np.uint8, encoding_format="png"),
                "label": tfds.features.ClassLabel(names=list(CLASSES)),
            },
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        del dl_manager  # fetched by ours
        files = data_files(COLLECTION)
        images = _read(files["train-images-idx3-ubyte"], 3).reshape(-1, 28, 28, 1)
        labels = _read(files["train-labels-idx1-ubyte"], 1)
        sizes = {name: rows for name, rows in COLLECTION.splits.items() if name != "test"}
        splits = split_stratified(labels, sizes, seed=SPLIT_SEED)
        test_images = _read(files["t10k-images-idx3-ubyte"], 3).reshape(-1, 28, 28, 1)
        test_labels = _read(files["t10k-labels-idx1-ubyte"], 1)
        generators = {name: self._generate_examples(images, labels, part) for name, part in splits.items()}
        return {**generators, "test": self._generate_examples(test_images, test_labels, np.arange(len(test_labels)))}

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        for row in rows.tolist():
            yield row, {"image": images[row], "label": int(labels[row])}


def _read(path: Path, dimensions: int) -> np.ndarray:
    """Return the bytes of an idx file, flat."""
    return np.frombuffer(path.read_bytes(), np.uint8, offset=_HEADER[dimensions])
