from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training
from training import Dataset, Split, TrainConfig
from training.class_coverage import find_uncovered_classes


def of_classes(names: tuple[str, ...] = (), **splits: list[int]) -> Dataset:
    """Return rows of these classes, split by split."""
    made = {name: Split(np.zeros((len(y), 2), "float32"), np.array(y, "int64")) for name, y in splits.items()}
    return Dataset("made up", made, class_names=names)


def found(recipe: dict[str, Any], data: Dataset, head: dict[str, Any] | None = None) -> tuple[str, ...]:
    model = recipe["model"] | {"head": head or {"kind": "softmax", "units": 3}}
    return find_uncovered_classes(TrainConfig.parse(recipe | {"model": model}), data)


def test_where_every_class_is_in_every_split_there_is_nothing_to_say(blobs: Dataset, blobs_config: TrainConfig) -> None:
    assert find_uncovered_classes(blobs_config, blobs) == ()


def test_a_class_that_is_not_learnt_from_is_named(blobs_recipe: dict[str, Any]) -> None:
    data = of_classes(("a", "b", "c"), train=[0, 1] * 4, validation=[0, 1], test=[0, 1, 2])
    [said] = found(blobs_recipe, data)
    assert said.startswith("the train split has no row of class 'c': nothing is learnt")


def test_a_class_of_one_row_is_told_to_be_one_and_not_measured(blobs_recipe: dict[str, Any]) -> None:
    one, validation, test = found(blobs_recipe, of_classes(train=[0, 1, 0, 1, 2], validation=[0, 1], test=[1, 0]))
    assert one.startswith("the train split has one row alone of class 2")
    assert validation.startswith("the validation split has no row of class 2: how well")
    assert test.startswith("the test split has no row of class 2")


def test_of_many_classes_some_are_named(blobs_recipe: dict[str, Any]) -> None:
    data = of_classes(train=[0, 0, 1, 1], validation=[0, 1])
    [said] = found(blobs_recipe, data, {"kind": "softmax", "units": 9})
    assert said.startswith("the train split has no row of classes 2, 3, 4, 5, 6 and 2 more:")


def test_numbers_and_several_labels_at_once_have_no_classes(blobs_recipe: dict[str, Any]) -> None:
    data = of_classes(train=[0, 0], validation=[0])
    assert found(blobs_recipe, data, {"kind": "linear", "units": 1}) == ()
    assert found(blobs_recipe, data, {"kind": "sigmoid", "units": 1})[0].startswith(
        "the train split has no row of class 1"
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_table_with_a_class_of_one_row_is_trained_with_a_warning(
    blobs_recipe: dict[str, Any], tmp_path: Path, seed: int
) -> None:
    """Whichever split the row falls to."""
    rows = ["x,y,kind", *(f"{i % 7},{i % 5},{'ab'[i % 2]}" for i in range(40)), "1,2,rare"]
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    table = {"kind": "table", "files": str(tmp_path / "t.csv"), "label": "kind", "split_seed": seed}
    run = training.train(
        TrainConfig.parse(blobs_recipe | {"data": table | {"hold_out": {"validation": 0.3, "test": 0.3}}}),
        runs=tmp_path / "runs",
    )
    assert run.status == "finished"
    assert any("of class 'rare'" in warning for warning in run.warnings)
