from typing import Any

import numpy as np
import pytest

from training import Dataset, Split, TrainConfig
from training.proof.shortened import shorten, with_rounding
from training.strategy import BatchPlan


def dataset(rows: int) -> Dataset:
    def split(rows: int) -> Split:
        return Split(np.arange(2.0 * rows, dtype="float32").reshape(rows, 2), np.arange(rows) % 3)

    return Dataset("made up", {"train": split(rows), "validation": split(2000), "test": split(9)})


@pytest.mark.parametrize(
    ("rows", "steps", "expected_rows", "epochs"),
    [
        (1003, 20, 9 * 16 + 11, 2),  # 1003 = 62 x 16 + 11: as odd an end as that of the recipe
        (1008, 20, 160, 2),  # 63 whole batches
        (40, 20, 40, 7),  # three steps an epoch
        (5, 3, 5, 3),
        (1003, 1, 11, 1),
    ],
)
def test_two_epochs_that_end_as_those_of_the_recipe_do(
    rows: int, steps: int, expected_rows: int, epochs: int, blobs_recipe: dict[str, Any]
) -> None:
    short = shorten(TrainConfig.parse(blobs_recipe), dataset(rows), steps=steps)
    kept = len(short.data.split("train"))
    assert (kept, short.config.train.epochs) == (expected_rows, epochs)
    assert BatchPlan(kept, 16).last_batch == BatchPlan(rows, 16).last_batch
    assert abs(BatchPlan(kept, 16).steps * epochs - steps) <= 2
    assert short.notes[0].startswith(f"{kept} of {rows} rows")


def test_rows_are_those_of_the_data_each_once_with_its_label(blobs_recipe: dict[str, Any]) -> None:
    split = shorten(TrainConfig.parse(blobs_recipe), dataset(1003), steps=20).data.split("train")
    inputs, labels = split.named_inputs()["inputs"], split.named_labels()[""]
    numbers = inputs[:, 0] / 2
    assert len(set(numbers)) == len(split)
    np.testing.assert_array_equal(labels, numbers % 3)


def test_chance_is_turned_off_and_said_so(blobs_recipe: dict[str, Any]) -> None:
    blobs_recipe["model"]["regularization"] = {"dropout": 0.5, "gaussian_noise": 0.1, "l2": 0.01}
    short = shorten(TrainConfig.parse(blobs_recipe), dataset(100), steps=4)
    assert short.config.model.regularization.dropout == short.config.model.regularization.gaussian_noise == 0
    assert short.config.model.regularization.l2 == 0.01
    assert short.notes[1].startswith("dropout and gaussian_noise turned off")


def test_class_weights_are_those_of_all_rows(blobs_recipe: dict[str, Any]) -> None:
    labels = np.array([0] * 50 + [1] * 30 + [2] * 20)
    data = dataset(100)
    data = Dataset("uneven", {**data.splits, "train": Split(data.split("train").inputs, labels)})
    blobs_recipe["train"]["class_weights"] = "balanced"
    short = shorten(TrainConfig.parse(blobs_recipe), data, steps=2)
    assert short.config.train.class_weights == pytest.approx((100 / 150, 100 / 90, 100 / 60))


def test_rounding_changes_what_rows_count_for_in_the_last_bits() -> None:
    weights = with_rounding(dataset(100).split("train"), seed=0).weights
    assert weights is not None
    assert 1e-8 < np.abs(weights - 1).max() <= 2.0**-22
    given = Split(np.ones((3, 1), "float32"), np.zeros(3), np.array([0.0, 2.0, 5.0]))
    rounded = with_rounding(given, seed=0).weights
    assert rounded is not None
    assert rounded[0] == 0, "what is left out stays out"
    np.testing.assert_allclose(rounded, [0, 2, 5], rtol=3e-7)
