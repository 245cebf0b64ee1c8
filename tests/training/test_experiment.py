import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import yaml

import training
import zoo
from training import Callback, Dataset, Run, Split, TrainConfig, TrainingInterrupted
from training.callbacks import Call, EpochEnd, Rollback, Start
from training.experiment import TrainingDivergedError
from zoo.errors import ConfigError, ExportError, UnknownNameError


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
        "checkpoints",
        "config.yaml",
        "facts.json",
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


def test_ctrl_c_in_the_first_epoch_leaves_a_run_to_go_on_with(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path
) -> None:
    with pytest.raises(TrainingInterrupted) as caught:
        training.train(blobs_config, data=blobs, runs=tmp_path, callbacks=[Interrupt()])
    with pytest.raises(ConfigError, match=r"has no best\.weights\.h5: the run ended before its first epoch"):
        training.evaluate(caught.value.folder, data=blobs)
    run = training.train(blobs_config, data=blobs, runs=tmp_path, resume=caught.value.folder)
    assert (run.folder, run.status) == (caught.value.folder, "finished")


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


@pytest.mark.parametrize("rows", [np.zeros((0, 2)), np.full((3, 2), np.nan), np.zeros((3, 3))])
def test_a_test_split_that_does_not_fit_is_refused_before_anything_is_trained(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path, rows: np.ndarray
) -> None:
    data = replace(blobs, splits={**blobs.splits, "test": Split(rows, np.zeros(len(rows)))})
    with pytest.raises(ConfigError):
        training.train(blobs_config, data=data, runs=tmp_path)
    assert not list(tmp_path.iterdir())


def test_rows_to_evaluate_are_checked_too(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    data = Dataset("other", {"test": Split(np.zeros((3, 2)), np.array([0, 1, 7]))})
    with pytest.raises(ConfigError, match=r"other/test has classes 0\.\.7: set units to 8"):
        training.evaluate(run, data=data)


MIRRORED = """
import sys
import numpy as np
import training
from training import Callback, Dataset, Split, TrainConfig

def split(rows):
    return Split(np.random.default_rng(rows).random((rows, 8, 8, 1)).astype("float32"), np.arange(rows) % 3)

class Say(Callback):
    def on_epoch_end(self, epoch):
        print("trained", flush=True)

config = TrainConfig.parse({
    "name": "m", "data": {"name": "m"}, "strategy": "mirrored",
    "train": {"epochs": 1, "batch_size": 8, "eval_batch_size": 8},
    "model": {"architecture": "cnn", "filters": [4], "input_shape": [8, 8, 1], "head": {"kind": "softmax", "units": 3}},
})
for rows in (1, 9):
    data = Dataset("m", {"train": split(16), "validation": split(8), "test": split(rows)})
    try:
        run = training.train(config, runs=sys.argv[1], data=data, callbacks=[Say()])
        model, test = run.model(), data.split("test")
        answers = np.asarray(model(test.inputs)["probabilities"]).argmax(axis=1)
        print(abs(run.metrics["test"]["accuracy"] - (answers == test.labels).mean()) < 1e-6)
    except training.experiment.ConfigError as error:
        print(error)
"""


def test_over_replicas_a_test_split_is_cut_to_fit_or_refused_before_training(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", MIRRORED, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("convolutions of no rows are right on a GPU")
    refused, *trained = done.stdout.splitlines()
    assert "the test split has 1 rows for 2 replicas, and no train.eval_batch_size helps" in refused
    assert trained == ["trained", "True"]


# ---- divergence


@pytest.fixture
def diverging(blobs_recipe: dict[str, Any]) -> dict[str, Any]:
    blobs_recipe["model"]["activation"] = "linear"
    return blobs_recipe | {"optimizer": {"name": "sgd", "learning_rate": 1e38}}


def test_a_diverged_run_is_kept_and_not_exported(blobs: Dataset, diverging: dict[str, Any], tmp_path: Path) -> None:
    config = TrainConfig.parse(diverging | {"export": {"repository": str(tmp_path / "models")}})
    with pytest.raises(TrainingDivergedError, match=r"after 2 tries with lower rates: lower optimizer\.learning_rate"):
        training.train(config, data=blobs, runs=tmp_path / "runs")
    run = Run.load(tmp_path / "runs" / "blobs")
    assert (run.status, run.history, run.artifact) == ("failed", (), None)
    assert not (tmp_path / "models").exists()


def test_a_run_that_blows_up_recovers_with_a_lower_rate(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    """Squared errors of a linear network: a rate of 10 is far beyond what gradient descent bears, 0.01 is not."""
    blobs_recipe["model"] |= {"activation": "linear", "head": {"kind": "linear"}}
    blobs_recipe["optimizer"] = {"name": "sgd", "learning_rate": 10.0}
    blobs_recipe["train"] = {"epochs": 20, "batch_size": 60, "recovery": {"factor": 0.001, "tries": 1}}
    rollbacks: list[Rollback] = []

    class Watch(Callback):
        def on_rollback(self, rollback: Rollback) -> None:
            rollbacks.append(rollback)

    run = training.train(TrainConfig.parse(blobs_recipe), data=blobs, runs=tmp_path, callbacks=[Watch()])

    assert [(r.attempt, r.tries, r.former_rate, r.learning_rate) for r in rollbacks] == [
        (1, 1, 10.0, pytest.approx(0.01))
    ]
    assert (run.status, [epoch["epoch"] for epoch in run.history]) == ("finished", list(range(1, 21)))
    assert run.history[-1]["learning_rate"] == pytest.approx(0.01)
    assert run.history[-1]["metrics"]["train"]["loss"] < run.history[0]["metrics"]["train"]["loss"]


def test_a_run_without_tries_ends_at_once(blobs: Dataset, diverging: dict[str, Any], tmp_path: Path) -> None:
    diverging["train"]["recovery"] = {"tries": 0}
    with pytest.raises(TrainingDivergedError, match=r"the loss of epoch 1 is \S+: lower optimizer"):
        training.train(TrainConfig.parse(diverging), data=blobs, runs=tmp_path)


# ---- resuming


@pytest.mark.usefixtures("op_determinism_undone")
def test_a_run_that_was_asked_to_stop_goes_on_where_it_stood(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    """Bit for bit, dropout and momentum included: as if it had never stopped."""
    blobs_recipe["model"]["regularization"] = {"dropout": 0.3}
    blobs_recipe["optimizer"] = {"name": "adam", "learning_rate": 0.03, "schedule": "cosine", "ema": 0.9}
    blobs_recipe["train"] = {"epochs": 4, "batch_size": 16, "steps_per_call": 1, "deterministic": True}
    config = TrainConfig.parse(blobs_recipe)
    whole = training.train(config, data=blobs, runs=tmp_path / "whole")
    calls = iter(range(100))

    with pytest.raises(TrainingInterrupted, match="after step 7"):
        training.train(config, data=blobs, runs=tmp_path / "parts", should_stop=lambda: next(calls) == 6)
    resumed = training.train(config, data=blobs, runs=tmp_path / "parts", resume=True)

    assert resumed.folder.parent == tmp_path / "parts" / "blobs"
    assert len(list(resumed.folder.parent.iterdir())) == 1
    for got, expected in zip(resumed.model().weights, whole.model().weights, strict=True):
        np.testing.assert_array_equal(got.numpy(), expected.numpy(), err_msg=expected.path)
    assert resumed.metrics == whole.metrics
    for got, expected in zip(resumed.history, whole.history, strict=True):
        assert got["metrics"] == expected["metrics"]
        assert got["learning_rate"] == expected["learning_rate"]


def test_where_there_is_nothing_to_resume_a_new_run_begins_and_says_so(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path
) -> None:
    notes: list[str] = []

    class Watch(Callback):
        def on_start(self, start: Start) -> None:
            notes.extend(start.notes)

    run = training.train(blobs_config, data=blobs, runs=tmp_path, resume=True, callbacks=[Watch()])

    assert run.status == "finished"
    assert notes[-1].startswith("resumed  nothing: there is no unfinished run of this very config")


def test_a_repository_that_cannot_be_written_is_refused_before_training(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    config = TrainConfig.parse(blobs_recipe | {"export": {"repository": str(tmp_path / "file" / "models")}})
    with pytest.raises(ExportError, match=r"nothing can be written to .*file; choose another"):
        training.train(config, data=blobs, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_folder_for_runs_that_cannot_be_made_is_named(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot make .*: Not a directory; choose another folder for runs"):
        training.train(blobs_config, data=blobs, runs=tmp_path / "file")


def test_damaged_files_of_a_run_are_named(blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    run.best_weights.write_bytes(run.best_weights.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"best\.weights\.h5 is damaged"):
        run.model()
    (run.folder / "config.yaml").write_bytes(b"\xff{{")
    with pytest.raises(ConfigError, match=r"config\.yaml is not UTF-8 text"):
        Run.load(run.folder)


def test_what_cannot_be_resumed_says_why(blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path) -> None:
    config = TrainConfig.parse(blobs_recipe)
    run = training.train(config, data=blobs, runs=tmp_path)
    with pytest.raises(ConfigError, match="is finished: there is nothing to resume"):
        training.train(config, data=blobs, runs=tmp_path, resume=run.folder)
    other = TrainConfig.parse(blobs_recipe | {"seed": 2})
    with pytest.raises(ConfigError, match="is a run of another config"):
        training.train(other, data=blobs, runs=tmp_path, resume=run.folder)
    with pytest.raises(UnknownNameError, match="there is no run in"):
        training.train(config, data=blobs, runs=tmp_path, resume=tmp_path / "nothing")


def test_early_stopping_ends_after_epochs_without_an_improvement(
    blobs: Dataset, blobs_recipe: dict[str, Any], tmp_path: Path
) -> None:
    """With a rate of almost nothing, no epoch is an improvement of 0.1 over the first."""
    blobs_recipe["optimizer"]["learning_rate"] = 1e-9
    blobs_recipe["train"] = {"epochs": 50, "batch_size": 16, "early_stopping": {"patience": 3, "min_delta": 0.1}}
    run = training.train(TrainConfig.parse(blobs_recipe), data=blobs, runs=tmp_path)
    assert (run.status, len(run.history)) == ("finished", 4)


# ---- logs of processes that died


@pytest.mark.parametrize("torn", ['{"event": "ep', "{", '{"event": "epoch", "epoch": 4, "metrics": {"train": {}}'])
def test_a_last_line_that_was_not_written_to_its_end_is_left_out(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path, torn: str
) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    log = run.folder / "metrics.jsonl"
    lines = log.read_text().splitlines(keepends=True)[:-1]
    log.write_text("".join(lines) + torn)
    assert (Run.load(run.folder).status, Run.load(run.folder).history) == ("unfinished", run.history)


@pytest.mark.parametrize("damaged", ['{"event": "ep', "[1]", '{"epoch": 1}', "\0\0"])
def test_a_damaged_line_within_a_log_is_an_error(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path, damaged: str
) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)
    log = run.folder / "metrics.jsonl"
    first, *rest = log.read_text().splitlines()
    log.write_text("\n".join([first, damaged, *rest]) + "\n")
    with pytest.raises(ConfigError, match=r"metrics\.jsonl is damaged"):
        Run.load(run.folder)


def test_what_is_no_config_or_data_set_is_refused_with_what_makes_one(
    blobs: Dataset, blobs_config: TrainConfig
) -> None:
    with pytest.raises(ConfigError, match=r"expected a TrainConfig, got dict: training.TrainConfig.parse"):
        training.train(blobs_config.to_dict(), data=blobs)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"expected a training.Dataset, got tuple: training.Dataset\(name"):
        training.train(blobs_config, data=(np.zeros(1), np.zeros(1)))  # type: ignore[arg-type]


def test_a_run_on_data_from_python_says_how_it_is_evaluated(
    blobs: Dataset, blobs_config: TrainConfig, tmp_path: Path
) -> None:
    run = training.train(blobs_config, data=blobs, runs=tmp_path)

    with pytest.raises(UnknownNameError, match=r"unknown data set 'blobs'.*training.evaluate\(run, data=...\)"):
        training.evaluate(run)
