import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import sem

from training import Dataset, Split, TrainConfig
from training.cross_validation import CrossValidation, cross_validate
from training.folds import Folds
from zoo.errors import ConfigError


def measured(folder: Path, *accuracies: float) -> CrossValidation:
    scores = tuple({"loss": 1 - a, "accuracy": a} for a in accuracies)
    return CrossValidation("blobs", "clouds", 30, scores, (3,) * len(scores), folder)


def test_means_and_standard_errors_are_those_of_scipy(tmp_path: Path) -> None:
    accuracies = [0.9, 0.95, 1.0, 0.85]
    found = measured(tmp_path, *accuracies)
    assert found.means()["accuracy"] == pytest.approx(np.mean(accuracies))
    assert found.errors()["accuracy"] == pytest.approx(sem(accuracies))
    assert found.errors()["loss"] == pytest.approx(sem(accuracies))


def test_the_table_has_a_line_per_metric(tmp_path: Path) -> None:
    assert measured(tmp_path, 0.5, 1.0).table().splitlines() == [
        "metric      mean  std. error  fold 1  fold 2",
        "loss      0.2500      0.2500  0.5000  0.0000",
        "accuracy  0.7500      0.2500  0.5000  1.0000",
    ]


def test_what_is_saved_is_what_was_measured(tmp_path: Path) -> None:
    found = measured(tmp_path, 0.5, 1.0)
    found.save()
    saved = json.loads((tmp_path / "folds.json").read_text())
    assert saved["mean"] == {"loss": 0.25, "accuracy": 0.75}
    assert [fold["metrics"]["accuracy"] for fold in saved["folds"]] == [0.5, 1.0]
    assert (tmp_path / "folds.txt").read_text() == found.table() + "\n"


def test_every_fold_learns_anew_and_is_measured_on_what_it_held_out(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path
) -> None:
    told: list[tuple[int, Any]] = []
    found = cross_validate(blobs_config, 3, data=blobs, runs=tmp_path, tell=lambda *fold: told.append(fold))
    assert found.rows == 60 + 21 + 33
    assert [number for number, _ in told] == [1, 2, 3]
    assert [score for _, score in told] == list(found.scores)
    for number in (1, 2, 3):
        lines = (found.folder / f"fold_{number}.jsonl").read_text().splitlines()
        epochs = [json.loads(line) for line in lines if json.loads(line)["event"] == "epoch"]
        assert [epoch["step"] for epoch in epochs] == [5, 10, 15], "from step 0: 65 rows of 114 are 5 batches of 16"
    assert math.fsum(score["accuracy"] for score in found.scores) / 3 > 0.9
    assert TrainConfig.from_yaml((found.folder / "recipe.yaml").read_text()) == blobs_config


def test_statistics_come_from_the_rows_that_a_fold_learns_from(blobs_recipe: dict[str, Any], tmp_path: Path) -> None:
    """A huge value in the rows held out must not reach the normalization: the others would shrink to nothing."""
    random = np.random.default_rng(0)
    labels = np.arange(90) % 3
    inputs = (np.array([[0, 4], [4, -4], [-4, -4]])[labels] + random.normal(size=(90, 2))).astype("float32")
    recipe = {
        **blobs_recipe,
        "model": {**blobs_recipe["model"], "preprocessing": [{"kind": "normalization"}]},
    }
    config = TrainConfig.parse(recipe)
    held = Folds.cut(Dataset("blobs", {"train": Split(inputs, labels)}), 3, config).parts[0]
    inputs[held[0]] = 1e9
    found = cross_validate(config, 3, data=Dataset("blobs", {"train": Split(inputs, labels)}), runs=tmp_path)
    assert found.scores[0]["accuracy"] >= 0.9
    assert max(score["accuracy"] for score in found.scores[1:]) < 0.9, "the other two do learn from it"


def test_folds_on_several_devices_are_refused(blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path) -> None:
    config = TrainConfig.parse({**blobs_recipe, "strategy": "mirrored"})
    with pytest.raises(ConfigError, match="one device, but strategy is mirrored"):
        cross_validate(config, 3, data=blobs, runs=tmp_path)
    assert not list(tmp_path.iterdir())
