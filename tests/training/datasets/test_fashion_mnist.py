import struct

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.sources import CATALOGUE, data_files

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def fashion() -> Dataset:
    return load_data(DataConfig(name="fashion_mnist_70k"))


def test_splits_have_their_sizes_and_each_class_a_tenth(fashion: Dataset) -> None:
    for name, rows in CATALOGUE["fashion_mnist_70k"].splits.items():
        assert np.bincount(fashion.split(name).named_labels()[""]).tolist() == [rows // 10] * 10


def test_the_test_split_is_the_published_one(fashion: Dataset) -> None:
    files = data_files(CATALOGUE["fashion_mnist_70k"])
    images = files["t10k-images-idx3-ubyte"].read_bytes()
    assert struct.unpack(">4i", images[:16]) == (2051, 10_000, 28, 28)
    published = {images[start : start + 784] for start in range(16, len(images), 784)}
    assert {image.tobytes() for image in fashion.split("test").named_inputs()["inputs"]} == published


def test_an_image_has_the_label_of_its_file(fashion: Dataset) -> None:
    files = data_files(CATALOGUE["fashion_mnist_70k"])
    images = files["train-images-idx3-ubyte"].read_bytes()[16:]
    labels = files["train-labels-idx1-ubyte"].read_bytes()[8:]
    known = {images[row * 784 : row * 784 + 784]: label for row, label in enumerate(labels)}
    for name in ("train", "validation", "calibration"):
        split = fashion.split(name)
        for image, label in zip(split.named_inputs()["inputs"], split.named_labels()[""], strict=True):
            assert known[image.tobytes()] == label


def test_what_is_known_of_the_data(fashion: Dataset) -> None:
    assert fashion.class_names[:3] == ("T-shirt/top", "Trouser", "Pullover")
    assert fashion.licence.startswith("MIT")
    assert "Zalando SE" in fashion.licence
