"""Training that begins with an exported version: what fits is taken, and the passport says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import training
import zoo
from training.inheritance import inherit
from training.recipe import recipe_of_version
from zoo.artifact import read_passport
from zoo.errors import ConfigError
from zoo.passport import Parent

RECIPE: dict[str, Any] = {
    "name": "small",
    "data": {"name": "sklearn_wine"},
    "model": {
        "architecture": "mlp",
        "input_shape": [13],
        "units": [8],
        "preprocessing": [{"kind": "normalization"}],
        "head": {"kind": "softmax", "units": 3},
    },
    "optimizer": {"name": "adam", "learning_rate": 0.01},
    "train": {"epochs": 3, "batch_size": 32},
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> training.Run:
    folder = tmp_path_factory.mktemp("first")
    config = training.TrainConfig.parse({**RECIPE, "export": {"repository": str(folder / "models")}})
    return training.train(config, runs=folder / "runs")


def test_a_version_trains_on_by_its_own_recipe_from_its_own_weights(first: training.Run, tmp_path: Path) -> None:
    """With a learning rate of next to nothing, what is measured stays: the weights are the parent's."""
    assert first.artifact is not None
    overrides = [f"parent={first.artifact}", f"export.repository={tmp_path}", "optimizer.learning_rate=1e-12"]
    run = training.train(recipe_of_version(first.artifact, overrides), runs=tmp_path / "runs")

    assert run.artifact is not None
    for split, metrics in first.metrics.items():
        assert run.metrics[split] == pytest.approx(metrics, rel=1e-4)
    assert read_passport(run.artifact).parent == Parent("small", 1, read_passport(first.artifact).hash)
    assert read_passport(first.artifact).parent is None


def test_a_new_head_begins_anew_and_statistics_stay_those_of_the_parent(first: training.Run) -> None:
    assert first.artifact is not None
    model = zoo.build(
        training.TrainConfig.parse(RECIPE).model.model_copy(update={"head": zoo.HeadConfig(kind="linear")})
    )
    zoo.adapt(model, np.zeros((2, 13), np.float32))
    found = inherit(model, first.artifact.parent)

    parent = zoo.load(first.artifact)
    assert found.new == ("features_to_value/kernel", "features_to_value/bias")
    np.testing.assert_array_equal(model.get_layer("dense_1").kernel, parent.get_layer("dense_1").kernel)
    statistics = model.get_layer("preprocessing_0_normalization")
    np.testing.assert_array_equal(statistics.mean, parent.get_layer("preprocessing_0_normalization").mean)
    assert found.describe().endswith("; new: features_to_value/kernel, features_to_value/bias")


def test_a_model_with_nothing_in_common_is_refused(first: training.Run) -> None:
    assert first.artifact is not None
    other = zoo.build("cnn", input_shape=(8, 8, 1), filters=[4], head={"kind": "linear"})
    with pytest.raises(ConfigError, match="no variable of the path and shape"):
        inherit(other, first.artifact)


def test_a_version_without_a_recipe_is_told_to_need_one(tmp_path: Path) -> None:
    version = zoo.export(zoo.build("mlp", input_shape=(2,), head={"kind": "linear"}), tmp_path / "m")
    with pytest.raises(ConfigError, match="was not trained by a recipe: name one"):
        recipe_of_version(version)
