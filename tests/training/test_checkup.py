"""What a run says by itself of a network that does not learn."""

from pathlib import Path
from typing import Any

import pytest

import training
from training import Callback, Dataset, Run, TrainConfig
from training.callbacks import EpochEnd, Start


class Watcher(Callback):
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def on_start(self, start: Start) -> None:
        self.warnings += start.warnings

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        self.warnings += epoch.warnings


def run(recipe: dict[str, Any], data: Dataset, runs: Path, **sections: Any) -> tuple[Run, list[str]]:
    watcher = Watcher()
    done = training.train(TrainConfig.parse({**recipe, **sections}), data=data, runs=runs, callbacks=[watcher])
    return done, watcher.warnings


def test_a_healthy_run_has_numbers_of_every_layer_and_no_warning(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    done, warnings = run(blobs_recipe, blobs, tmp_path)
    assert warnings == []
    first = done.history[0]["diagnosis"]
    assert set(first["layers"]) == {"dense_1", "dense_1_activation", "logits"}
    assert first["rows"] == 21, "the validation split, which is smaller than the sample would be"
    assert set(done.history[0]["timing"]) == {"train", "evaluate", "save", "diagnose"}


def test_vanishing_gradients_are_told_of_in_the_run_and_in_its_log(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    deep = {**blobs_recipe["model"], "units": [8] * 12, "activation": "sigmoid"}
    done, warnings = run(blobs_recipe, blobs, tmp_path, model=deep)
    assert [text.partition(":")[0] for text in warnings] == ["gradients vanish"]
    assert done.warnings == tuple(warnings)


@pytest.mark.parametrize(("clip", "told"), [({}, True), ({"global_clipnorm": 1.0}, False)])
def test_steps_that_are_too_long_are_told_of_before_the_first(
    clip: dict[str, float],
    told: bool,  # noqa: FBT001
    blobs: Dataset,
    blobs_recipe: dict[str, Any],
    tmp_path: Path,
) -> None:
    wild = {**blobs_recipe["model"], "units": [8] * 6, "activation": "linear",
            "kernel_initializer": {"kind": "variance_scaling", "scale": 50.0}}  # fmt: skip
    optimizer = {"name": "sgd", "learning_rate": 0.1, **clip}
    train = {"epochs": 1, "recovery": {"blow_up": None, "tries": 100}}
    _, warnings = run(blobs_recipe, blobs, tmp_path, model=wild, optimizer=optimizer, train=train)
    assert any("gradients explode: a step at the learning rate 0.1" in text for text in warnings) == told


def test_what_is_diagnosed_changes_no_weight(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = {**blobs_recipe["model"], "regularization": {"dropout": 0.5, "normalization": "batch"}}
    losses = []
    for looked_at in (True, False):
        if not looked_at:
            monkeypatch.setattr("training.diagnostics.Diagnostics.diagnose", lambda _: None)
        done, _ = run(blobs_recipe, blobs, tmp_path / str(looked_at), model=noisy)
        losses.append([record["metrics"]["validation"]["loss"] for record in done.history])
    assert losses[0] == losses[1]
