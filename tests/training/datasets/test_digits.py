import numpy as np
import pytest
from sklearn.datasets import load_digits

from training import Dataset
from training.config import DataConfig
from training.data import load_data
from training.datasets.digits import SPLITS, split_rows


def test_splits_are_disjoint_and_cover_every_row() -> None:
    rows = np.concatenate(list(split_rows(load_digits().target).values()))
    assert sorted(rows.tolist()) == list(range(1797))


def test_splits_have_their_sizes(digits: Dataset) -> None:
    assert {name: len(split) for name, split in digits.splits.items()} == SPLITS


def test_every_digit_has_its_share_of_every_split(digits: Dataset) -> None:
    overall = np.bincount(load_digits().target) / 1797
    for name, split in digits.splits.items():
        shares = np.bincount(split.named_labels()[""], minlength=10) / len(split)
        np.testing.assert_allclose(shares, overall, atol=1 / len(split), err_msg=name)


def test_splits_are_the_same_every_time() -> None:
    # The first rows of each split, as they were when the data set was first published as 1.0.0.
    first = {name: rows[:3].tolist() for name, rows in split_rows(load_digits().target).items()}
    assert first == {"train": [0, 2, 5], "validation": [3, 26, 27], "calibration": [1, 4, 10], "test": [8, 17, 18]}


def test_rows_are_those_of_scikit_learn_stretched_to_bytes(digits: Dataset) -> None:
    source = load_digits()
    known: dict[bytes, set[int]] = {}
    for image, label in zip(source.images, source.target, strict=True):
        known.setdefault(image.astype(np.uint8).tobytes(), set()).add(int(label))
    split = digits.split("test")
    assert split.inputs.dtype == np.uint8
    assert split.inputs.shape == (300, 8, 8, 1)
    for image, label in zip(split.inputs, split.named_labels()[""], strict=True):
        ink = np.rint(image[..., 0] * (16 / 255)).astype(np.uint8)
        assert int(label) in known[ink.tobytes()]


def test_what_is_known_of_the_data(digits: Dataset) -> None:
    assert digits.class_names == tuple("0123456789")
    assert digits.version == "1.0.0"
    assert "CC BY 4.0" in digits.licence
    assert "10.24432/C50P49" in digits.citation
    assert digits.input_ranges() == {"inputs": (0.0, 255.0)}


def test_preparing_says_nothing(capfd: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    load_data(DataConfig(name="sklearn_digits", directory=str(tmp_path_factory.mktemp("tfds"))))
    assert capfd.readouterr() == ("", "")
