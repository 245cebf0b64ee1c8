import csv
from collections import Counter

import numpy as np
import pytest

from training.config import DataConfig
from training.data import Dataset, load_data
from training.sources import CATALOGUE, data_files

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def mnist() -> Dataset:
    return load_data(DataConfig(name="mnist_5000"))


def test_splits_have_their_sizes_and_each_digit_a_tenth(mnist: Dataset) -> None:
    for name, rows in CATALOGUE["mnist_5000"].splits.items():
        counts = np.bincount(mnist.split(name).named_labels()[""])
        assert counts.tolist() == [rows // 10] * 10


def test_splits_hold_every_image_of_the_file_once_with_its_label(mnist: Dataset) -> None:
    with data_files(CATALOGUE["mnist_5000"])["mnist_5k.csv"].open() as file:
        wanted = Counter((bytes(map(int, row[:-1])), int(row[-1])) for row in csv.reader(file))
    found = Counter(
        (image.tobytes(), int(label))
        for split in mnist.splits.values()
        for image, label in zip(split.named_inputs()["inputs"], split.named_labels()[""], strict=True)
    )
    assert found == wanted
    assert found.total() == 5000


def test_no_image_is_in_two_splits(mnist: Dataset) -> None:
    images = [{image.tobytes() for image in split.named_inputs()["inputs"]} for split in mnist.splits.values()]
    assert sum(map(len, images)) == len(set.union(*images))


def test_what_is_known_of_the_data(mnist: Dataset) -> None:
    assert mnist.class_names == tuple("0123456789")
    assert mnist.licence.startswith("unknown")
    assert "LeCun" in mnist.citation
