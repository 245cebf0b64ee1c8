import numpy as np
import pytest
from sklearn.model_selection import KFold, StratifiedKFold

from training import Dataset, Split, TrainConfig
from training.folds import Folds
from zoo.errors import ConfigError


def numbered(**rows: int) -> Dataset:
    """Rows that are their own numbers, counted through all splits; every third is of class 1, the others of class 0."""
    splits, start = {}, 0
    for name, count in rows.items():
        numbers = np.arange(start, start + count)
        splits[name] = Split(np.stack([numbers, numbers], axis=1).astype("float32"), (numbers % 3 == 0).astype("int64"))
        start += count
    return Dataset("numbered", splits)


def config(kind: str = "softmax", units: int = 2, seed: int = 7) -> TrainConfig:
    model = {"architecture": "mlp", "input_shape": [2], "units": [2], "head": {"kind": kind, "units": units}}
    return TrainConfig.parse({"name": "numbered", "seed": seed, "data": {"name": "numbered"}, "model": model})


def numbers(split: Split) -> list[int]:
    return sorted(split.named_inputs()["inputs"][:, 0].astype(int).tolist())


def test_every_row_of_all_splits_is_held_out_once() -> None:
    folds = Folds.cut(numbered(train=50, validation=20, calibration=10, test=10), 5, config())
    held = [row for fold in folds.datasets() for row in numbers(fold.splits["test"])]
    assert sorted(held) == list(range(90))


def test_no_row_is_in_two_splits_of_a_fold_and_none_is_missing() -> None:
    for fold in Folds.cut(numbered(train=50, validation=40), 5, config()).datasets():
        assert sorted(row for split in fold.splits.values() for row in numbers(split)) == list(range(90))
        assert fold.splits.keys() == {"train", "validation", "test"}


def test_each_fold_has_of_every_class_its_share() -> None:
    for fold in Folds.cut(numbered(train=60, validation=30), 5, config()).datasets():
        assert np.bincount(fold.splits["test"].named_labels()[""]).tolist() == [12, 6]
        validation = np.bincount(fold.splits["validation"].named_labels()[""])
        assert abs(validation[1] - 24 * 0.15) <= 1, "24 rows of class 1 are left, and 15 % of them choose the epoch"


def test_folds_of_classes_are_those_of_scikit_learn() -> None:
    data = numbered(train=60, validation=30)
    classes = (np.arange(90) % 3 == 0).astype(int)
    theirs = StratifiedKFold(5, shuffle=True, random_state=7).split(classes, classes)
    for (_, held), ours in zip(theirs, Folds.cut(data, 5, config()).parts, strict=True):
        np.testing.assert_array_equal(ours, held)


def test_folds_of_values_are_those_of_scikit_learn() -> None:
    theirs = KFold(4, shuffle=True, random_state=7).split(np.zeros(90))
    folds = Folds.cut(numbered(train=60, validation=30), 4, config("linear", 1))
    assert folds.classes is None
    for (_, held), ours in zip(theirs, folds.parts, strict=True):
        np.testing.assert_array_equal(ours, held)


def test_the_seed_draws_the_folds() -> None:
    data = numbered(train=60, validation=30)
    again, other = Folds.cut(data, 5, config()), Folds.cut(data, 5, config(seed=8))
    first = Folds.cut(data, 5, config())
    assert all((a == b).all() for a, b in zip(first.parts, again.parts, strict=True))
    assert any((a != b).any() for a, b in zip(first.parts, other.parts, strict=True))


def test_labels_and_weights_stay_with_their_rows() -> None:
    rows = np.arange(30)
    split = Split(np.stack([rows, rows], axis=1).astype("float32"), rows % 3 == 0, weights=rows / 10)
    for fold in Folds.cut(Dataset("weighted", {"train": split}), 3, config()).datasets():
        for part in fold.splits.values():
            found = np.asarray(part.inputs)[:, 0].astype(int)
            np.testing.assert_array_equal(part.labels, found % 3 == 0)
            np.testing.assert_allclose(part.weights, found / 10)


@pytest.mark.parametrize("count", [-1, 0, 1, 31])
def test_a_class_with_fewer_rows_than_folds_is_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"30 rows of its rarest class: expected 2 to 30 folds, got {count}"):
        Folds.cut(numbered(train=60, validation=30), count, config())


def test_weights_in_some_splits_alone_are_refused() -> None:
    rows = np.zeros((9, 2), "float32")
    splits = {"train": Split(rows, np.arange(9) % 2, np.ones(9)), "test": Split(rows, np.arange(9) % 2)}
    with pytest.raises(ConfigError, match="for all or none"):
        Folds.cut(Dataset("mixed", splits), 2, config())
