"""The tables that come with scikit-learn: breast cancer, wine, diabetes."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

from training.config import DataConfig
from training.data import load_data
from training.sources import CATALOGUE

TABLES = {
    "sklearn_breast_cancer": load_breast_cancer(),
    "sklearn_wine": load_wine(),
    "sklearn_diabetes": load_diabetes(scaled=False),
}
CLASSES = {"sklearn_breast_cancer": ("malignant", "benign"), "sklearn_wine": ("grower_0", "grower_1", "grower_2")}


@pytest.mark.parametrize("name", TABLES)
def test_splits_hold_every_row_of_the_table_once_with_its_target(name: str) -> None:
    table, data = TABLES[name], load_data(DataConfig(name=name))
    assert {split: len(rows) for split, rows in data.splits.items()} == CATALOGUE[name].splits
    features = table.data.astype(np.float32)
    wanted = Counter((row.tobytes(), float(target)) for row, target in zip(features, table.target, strict=True))
    found = Counter(
        (row.tobytes(), float(target))
        for split in data.splits.values()
        for row, target in zip(split.named_inputs()["inputs"], split.named_labels()[""], strict=True)
    )
    assert found == wanted


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_its_share_of_every_split(name: str) -> None:
    table, data = TABLES[name], load_data(DataConfig(name=name))
    overall = np.bincount(table.target) / len(table.target)
    for split in data.splits.values():
        shares = np.bincount(split.named_labels()[""], minlength=len(overall)) / len(split)
        np.testing.assert_allclose(shares, overall, atol=1 / len(split))
    assert data.class_names == CLASSES[name]


def test_values_are_in_the_measured_units() -> None:
    ages = np.concatenate(
        [
            split.named_inputs()["inputs"][:, 0]
            for split in load_data(DataConfig(name="sklearn_diabetes")).splits.values()
        ]
    )
    assert (ages.min(), ages.max()) == (19, 79)
