from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import training
import zoo
from training import Dataset, Split, TrainConfig
from training.uncertainty import find_uncertainty
from zoo.uncertainty import calibrate_values


def linear(rows: int, seed: int) -> Split:
    """Labels that are the input and noise of deviation 1."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, 1)).astype("float32")
    return Split(x, x[:, 0] + random.normal(size=rows).astype("float32"))


def config_of(head: dict[str, Any], **model: Any) -> TrainConfig:
    fields = {"architecture": "mlp", "input_shape": [1], "units": [1], "activation": "linear", "head": head, **model}
    return TrainConfig.parse({"name": "made_up", "data": {"name": "made_up"}, "model": fields})


def identity(config: TrainConfig) -> Any:
    model = zoo.build(config.model)
    for variable in model.trainable_variables:
        variable.assign(np.eye(1) if len(variable.shape) == 2 else np.zeros(1))
    return model


def test_values_get_intervals_from_the_calibration_split_measured_on_the_test_split() -> None:
    config = config_of({"kind": "linear"})
    splits = {"train": linear(5, 1), "calibration": linear(400, 2), "test": linear(2000, 3)}
    found = find_uncertainty(config, identity(config), Dataset("made_up", splits), 0.9)["value"]
    inputs, labels = splits["calibration"].named_inputs()["inputs"], splits["calibration"].named_labels()[""]
    assert found.threshold == pytest.approx(calibrate_values(inputs, labels, 0.9).threshold, rel=1e-5)
    assert found.threshold[0] == pytest.approx(1.645, rel=0.12)  # of a normal distribution
    assert found.coverage == pytest.approx(0.9, abs=0.03)
    assert (found.rows, found.held_out_rows, found.method) == (400, 2000, "split")


def test_rows_in_time_count_the_less_the_older_they_are() -> None:
    config = config_of({"kind": "linear"})
    splits = {"calibration": linear(100, 2)}
    found = find_uncertainty(config, identity(config), Dataset("made_up", splits, in_time=True), 0.9)["value"]
    assert (found.method, found.coverage) == ("recent", None)


def test_rows_of_weight_0_are_not_there() -> None:
    config = config_of({"kind": "sigmoid"})
    split = linear(60, 4)
    rows = Split(split.inputs, np.arange(60) % 2, weights=np.repeat([1.0, 0.0], 30))
    found = find_uncertainty(config, identity(config), Dataset("made_up", {"calibration": rows}), 0.9)
    assert (found["probabilities"].rows, found["probabilities"].method) == (30, "temperature+lac")


def test_without_calibration_rows_or_too_few_of_them_there_is_none(caplog: pytest.LogCaptureFixture) -> None:
    config = config_of({"kind": "linear"})
    model = identity(config)
    assert find_uncertainty(config, model, Dataset("made_up", {"test": linear(9, 1)}), 0.9) == {}
    assert find_uncertainty(config, model, Dataset("made_up", {"calibration": linear(8, 1)}), 0.9) == {}
    assert "value has no uncertainty: 8 calibration rows are too few" in caplog.text


def test_an_answer_for_every_step_has_none() -> None:
    model = {"architecture": "lstm", "input_shape": [5, 1], "units": [2], "pooling": "none", "activation": "tanh"}
    config = config_of({"kind": "linear"}, **model)
    rows = Split(np.zeros((20, 5, 1), "float32"), np.zeros((20, 5, 1), "float32"))
    assert find_uncertainty(config, zoo.build(config.model), Dataset("made_up", {"calibration": rows}), 0.9) == {}


def test_what_training_exports_covers_what_its_passport_says(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    data = replace(blobs, splits={**blobs.splits, "calibration": blobs.split("train")})  # enough to see it work
    config = TrainConfig.parse(blobs_recipe | {"export": {"repository": str(tmp_path / "models"), "coverage": 0.8}})
    run = training.train(config, data=data, runs=tmp_path / "runs")
    assert run.artifact is not None
    assert zoo.verify(run.artifact).ok
    passport = zoo.Passport.from_json((run.artifact / "assets.extra" / "passport.json").read_text())
    said, test = passport.uncertainty["probabilities"], blobs.split("test")
    answer = tf.saved_model.load(str(run.artifact)).signatures["predict_set"](inputs=tf.constant(test.inputs))
    sets = answer["set"].numpy()
    assert said.coverage == pytest.approx(sets[np.arange(33), test.labels].mean())
    assert said.size == pytest.approx(sets.sum(axis=1).mean())
    assert (said.level, said.rows, said.held_out_rows) == (0.8, 60, 33)
    assert passport.intervals == run.intervals
    assert set(passport.intervals["test"]) == set(passport.metrics["test"])
    low, high = passport.intervals["test"]["accuracy"]
    assert low < passport.metrics["test"]["accuracy"] <= high <= 1
