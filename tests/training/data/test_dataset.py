from typing import Any

import numpy as np
import pytest

from training import Dataset, Split
from training.config import DataConfig
from training.data import load_data
from zoo.errors import ConfigError, UnknownNameError


def test_an_unknown_data_set_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sklearn_digits'"):
        load_data(DataConfig(name="sklearn_digit"))


def test_an_unknown_split_names_the_nearest(blobs: Dataset) -> None:
    with pytest.raises(UnknownNameError, match="no split 'tests'; did you mean 'test'"):
        blobs.split("tests")


def test_rows_limits_every_split() -> None:
    data = load_data(DataConfig(name="sklearn_digits", rows=200))
    assert {name: len(split) for name, split in data.splits.items()} == {
        "train": 200,
        "validation": 150,
        "calibration": 150,
        "test": 200,
    }


def dataset(value: float = 0.0, split: str = "train", dtype: str = "float32") -> Dataset:
    return Dataset("d", {split: Split(np.full((2, 3), value, dtype), np.array([0, 1]))})


def test_the_fingerprint_is_of_the_rows() -> None:
    assert dataset().fingerprint == dataset().fingerprint
    assert dataset().fingerprint.startswith("sha256:")
    others = [dataset(value=1.0), dataset(split="test"), dataset(dtype="float64")]
    assert len({data.fingerprint for data in [dataset(), *others]}) == 4


def test_facts_are_plain_data(digits: Dataset) -> None:
    facts = digits.facts()
    assert facts["name"] == "sklearn_digits"
    assert facts["splits"] == {"train": 1197, "validation": 150, "calibration": 150, "test": 300}
    assert facts["fingerprint"] == digits.fingerprint


def test_inputs_and_labels_of_different_length_are_refused() -> None:
    with pytest.raises(ConfigError, match="3 rows of inputs, but 2 labels of 'size'"):
        Split(np.zeros(3), {"size": np.zeros(2)})


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (np.zeros((3, 2)), np.float32(3), r"labels are the one value .*3\.0"),
        (np.float32(1), np.zeros(3), "inputs are the one value"),
        (np.zeros((3, 2)), {"a": np.int64(1)}, "labels of 'a' are the one value"),
    ],
)
def test_one_value_in_place_of_rows_is_refused(inputs: Any, labels: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Split(inputs, labels)


def test_inputs_of_different_length_are_refused() -> None:
    with pytest.raises(ConfigError, match="2 rows of the first input, but 3 of 'b'"):
        Split({"a": np.zeros(2), "b": np.zeros(3)}, np.zeros(2))


def test_a_split_of_several_inputs_is_cut_as_one() -> None:
    part = Split({"a": np.arange(4), "b": np.arange(4) * 2}, np.arange(4)).between(1, 3)

    assert {name: rows.tolist() for name, rows in part.named_inputs().items()} == {"a": [1, 2], "b": [2, 4]}
    assert len(part) == 2


def test_the_fingerprint_of_text_is_of_the_text() -> None:
    def fingerprint(*texts: str) -> str:
        return Dataset("made up", {"train": Split(np.array(texts, object), np.zeros(len(texts)))}).fingerprint

    assert fingerprint("one", "two") == fingerprint("".join(["o", "ne"]), "two")  # equal text in another object
    assert fingerprint("one", "two") != fingerprint("onet", "wo")


def test_the_range_of_text_is_not_told() -> None:
    inputs = {"text": np.array(["a"], object), "number": np.array([3.0])}

    assert Dataset("made up", {"train": Split(inputs, np.zeros(1))}).input_ranges() == {"number": (3.0, 3.0)}


def test_rows_that_are_no_split_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"split 'train': expected a training.Split, got tuple"):
        Dataset("made up", {"train": (np.zeros(1), np.zeros(1))})  # type: ignore[dict-item]
