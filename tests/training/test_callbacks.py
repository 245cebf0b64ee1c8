import json
import math
from dataclasses import replace
from pathlib import Path

from training.callbacks import End, EpochEnd, JsonLog, Rollback, Start
from training.diagnosis import Diagnosis, LayerHealth
from training.run import Run

CONFIG = """
name: digits
data: {name: digits}
model: {architecture: mlp, input_shape: [2], head: {kind: softmax, units: 2}}
"""

EPOCH = EpochEnd(
    epoch=1,
    step=4,
    seconds=2.0,
    examples_per_second=30.0,
    learning_rate=0.5,
    metrics={"train": {"loss": 1.5}, "validation": {"loss": float("nan")}},
    best=True,
)


def test_the_json_log_has_a_line_per_epoch_and_one_for_the_end(tmp_path: Path) -> None:
    log = JsonLog(tmp_path)
    log.on_epoch_end(EPOCH)
    log.on_end(End("finished", 1, 1, 3.0, {"test": {"loss": 2.0}}, Path("models/m/1")))
    first, last = (json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert first["event"] == "epoch"
    assert first["metrics"] == {"train": {"loss": 1.5}, "validation": {"loss": None}}, "NaN is not JSON"
    assert last == {
        "event": "end",
        "status": "finished",
        "epochs": 1,
        "best_epoch": 1,
        "seconds": 3.0,
        "metrics": {"test": {"loss": 2.0}},
        "artifact": "models/m/1",
        "intervals": {},
    }


def test_numbers_that_are_none_are_null_wherever_they_are(tmp_path: Path) -> None:
    """A gradient of float16 that overflowed makes a diagnosis of infinities, which must not end a run."""
    diagnosis = Diagnosis(
        math.inf, {"dense": LayerHealth(math.inf, 1.0, None, None)}, {"dense/kernel": (math.nan, 1.0)}, 8
    )
    JsonLog(tmp_path).on_epoch_end(replace(EPOCH, diagnosis=diagnosis))
    [record] = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert record["diagnosis"]["gradient"] is None
    assert record["diagnosis"]["kernels"] == {"dense/kernel": [None, 1.0]}


def test_the_json_log_keeps_what_looked_wrong(tmp_path: Path) -> None:
    log = JsonLog(tmp_path)
    log.on_start(Start("digits", tmp_path, epochs=2, steps_per_epoch=4, warnings=("steep",)))
    log.on_rollback(Rollback(1, float("nan"), 0, 0.25, 0.5, attempt=1, tries=2))
    log.on_epoch_end(replace(EPOCH, warnings=("dead",)))
    (tmp_path / "config.yaml").write_text(CONFIG)
    assert Run.load(tmp_path).warnings == (
        "steep",
        "the loss of epoch 1 is nan: back to step 0, learning rate 0.25 in place of 0.5 (try 1 of 2)",
        "dead",
    )


def test_a_run_that_goes_on_keeps_the_log_up_to_its_checkpoint(tmp_path: Path) -> None:
    log = JsonLog(tmp_path)
    log.on_start(Start("digits", tmp_path, epochs=2, steps_per_epoch=4, warnings=("steep",)))
    log.on_epoch_end(EPOCH)
    log.on_epoch_end(replace(EPOCH, epoch=2, step=8))
    log.on_end(End("interrupted", 2, 1, 3.0))
    JsonLog(tmp_path, after_step=4)
    events = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(event["event"], event["step"]) for event in events] == [("warning", 0), ("epoch", 4)]


def test_a_diagnosis_is_logged_with_its_layers(tmp_path: Path) -> None:
    diagnosis = Diagnosis(math.inf, {"dense": LayerHealth(3.0, 4.0, None, 0.5)}, {"dense/kernel": (3.0, 4.0)}, 64)
    JsonLog(tmp_path).on_epoch_end(replace(EPOCH, diagnosis=diagnosis))
    [line] = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["diagnosis"] == {
        "gradient": None,
        "layers": {"dense": {"gradient": 3.0, "weight": 4.0, "change": None, "dead": 0.5}},
        "kernels": {"dense/kernel": [3.0, 4.0]},
        "rows": 64,
    }
