import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import training
import zoo
from training import Callback, Dataset, Run, TrainConfig, TrainingInterrupted
from training.callbacks import Call, EpochEnd
from zoo.errors import ConfigError, UnknownNameError


class Interrupt(Callback):
    """Presses Ctrl-C once an epoch is over, or in the midst of one."""

    def __init__(self, *, after_epoch: int | None = None) -> None:
        self.after_epoch = after_epoch

    def on_call(self, call: Call) -> None:
        if self.after_epoch is None:
            raise KeyboardInterrupt

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        if epoch.epoch == self.after_epoch:
            raise KeyboardInterrupt


def test_a_run_leaves_its_folder(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    assert run.folder.parent == tmp_path / "blobs"
    assert run.folder.name.endswith("-" + blobs_config.content_hash()[7:15])
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "best.weights.h5",
        "config.yaml",
        "metrics.jsonl",
        "tensorboard",
    ]
    assert yaml.safe_load((run.folder / "config.yaml").read_text()) == blobs_config.to_dict()
    events = [json.loads(line)["event"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert events == ["epoch", "epoch", "epoch", "end"]
    assert [(epoch["epoch"], epoch["step"]) for epoch in run.history] == [(1, 4), (2, 8), (3, 12)]
    assert (run.status, run.artifact) == ("finished", None)
    assert Run.load(run.folder) == run
    assert Run.load(tmp_path / "blobs") == run, "the newest run of a recipe"


def test_metrics_are_those_of_the_best_weights(blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path) -> None:
    """With a rate this large the loss jumps about, and the best epoch is not the last."""
    recipe = blobs_recipe | {"optimizer": {"name": "sgd", "learning_rate": 3.0}}
    recipe["train"] = {"epochs": 6, "batch_size": 16, "monitor": "loss"}
    run = training.train(TrainConfig.parse(recipe), data=blobs, runs=tmp_path)
    losses = [epoch["metrics"]["validation"]["loss"] for epoch in run.history]
    assert run.best_epoch == 1 + int(np.argmin(losses))
    assert run.best_epoch < 6
    assert run.metrics["validation"]["loss"] == pytest.approx(min(losses), rel=1e-6)


def test_evaluate_measures_the_best_weights(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    assert training.evaluate(run, data=blobs) == pytest.approx(run.metrics["test"], rel=1e-6)
    found = training.evaluate(run.folder, "validation", data=blobs)
    assert found == pytest.approx(run.metrics["validation"], rel=1e-6)
    test = blobs.split("test")
    answers = run.model()(test.inputs)["probabilities"].numpy().argmax(axis=1)
    assert run.metrics["test"]["accuracy"] == pytest.approx(float((answers == test.labels).mean()))


def test_one_seed_gives_one_result(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    one, other = (training.train(blobs_config, data=blobs, runs=tmp_path) for _ in range(2))
    assert one.folder != other.folder
    for a, b in zip(one.model().variables, other.model().variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_the_artifact_verifies_and_tells_where_it_comes_from(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    config = TrainConfig.parse(blobs_recipe | {"export": {"repository": str(tmp_path / "models"), "name": "served"}})
    run = training.train(config, data=blobs, runs=tmp_path / "runs")
    assert run.artifact == tmp_path / "models" / "served" / "1"
    assert zoo.verify(run.artifact).ok
    passport = zoo.Passport.from_json((run.artifact / "assets.extra" / "passport.json").read_text())
    assert passport.config_hash == config.content_hash()
    assert passport.config == config.to_dict()
    assert passport.metrics == run.metrics
    assert passport.class_names == {"probabilities": ("top", "right", "left")}
    assert passport.data is not None
    assert passport.data["fingerprint"] == blobs.fingerprint
    low, high = passport.signatures["serving_default"].inputs["inputs"].range or (None, None)
    assert (low, high) == (blobs.split("train").inputs.min(), blobs.split("train").inputs.max())


def test_ctrl_c_keeps_the_best_weights_and_the_log(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterrupted) as caught:
        training.train(blobs_config, data=blobs, runs=tmp_path, callbacks=[Interrupt(after_epoch=2)])
    assert str(caught.value.folder) in str(caught.value)
    run = Run.load(caught.value.folder)
    assert (run.status, len(run.history)) == ("interrupted", 2)
    assert training.evaluate(run, "validation", data=blobs)["loss"] == pytest.approx(
        min(epoch["metrics"]["validation"]["loss"] for epoch in run.history), rel=1e-6
    )


def test_ctrl_c_in_the_first_epoch_keeps_what_there_is(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(TrainingInterrupted) as caught:
        training.train(blobs_config, data=blobs, runs=tmp_path, callbacks=[Interrupt()])
    assert "accuracy" in training.evaluate(caught.value.folder, data=blobs)


def test_an_unknown_monitor_is_refused_before_anything_is_written(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    config = TrainConfig.parse(blobs_recipe | {"train": {"monitor": "acuracy"}})
    with pytest.raises(ConfigError, match="did you mean 'accuracy'"):
        training.train(config, data=blobs, runs=tmp_path)
    assert not list(tmp_path.iterdir())


def test_evaluating_no_run_names_the_nearest(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    training.train(blobs_config, data=blobs, runs=tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean 'blobs'"):
        training.evaluate(tmp_path / "blob")
