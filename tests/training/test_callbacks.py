import json
from dataclasses import replace
from pathlib import Path

import pytest
import tensorflow as tf
from rich.console import Console

from training.callbacks import Call, End, EpochEnd, JsonLog, Start, TensorBoardLog
from training.progress import ProgressView

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
    }


def test_tensorboard_gets_scalars_by_split(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    log.on_epoch_end(EPOCH)
    log.on_end(End("finished", 1, 1, 3.0))
    [file] = (tmp_path / "tensorboard" / "train").iterdir()
    found = {}
    for raw in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(raw)
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag] = (event.step, float(tf.make_ndarray(value.tensor)))
    assert found == {"loss": (4, 1.5), "examples_per_second": (4, 30.0), "learning_rate": (4, 0.5)}


def watch(console: Console) -> None:
    view = ProgressView(console)
    view.on_start(Start("digits", Path("runs/x"), epochs=10, steps_per_epoch=4, notes=("data     digits",)))
    view.on_call(Call(epoch=1, step=2, metrics={"loss": 1.75}, examples_per_second=1234.5))
    view.on_epoch_end(EPOCH)
    view.on_end(End("finished", 1, 1, 3.0))


def test_progress_is_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    watch(Console(force_terminal=False, width=200))
    assert capsys.readouterr().out.splitlines() == [
        "data     digits",
        "epoch  1/10  loss 1.5000  validation loss nan  30 examples/s  best",
        (
            "warning: training diverged, the validation loss of epoch 1 is nan: "
            "lower optimizer.learning_rate (it is 0.5 now) or set optimizer.global_clipnorm"
        ),
    ]


def test_divergence_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(Console(force_terminal=False, width=200))
    finite = replace(EPOCH, metrics={"train": {"loss": 1.0}, "validation": {"loss": 1.0}})
    for epoch in (finite, replace(EPOCH, epoch=2), replace(EPOCH, epoch=3)):
        view.on_epoch_end(epoch)
    lines = capsys.readouterr().out.splitlines()
    assert [i for i, line in enumerate(lines) if line.startswith("warning")] == [2]
    assert "epoch 2" in lines[2]


def test_progress_is_a_live_bar_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    watch(Console(force_terminal=True, width=200, color_system=None))
    shown = capsys.readouterr().out
    assert "epoch 1/10 step 2/4" in shown
    assert "loss 1.7500  1,234 examples/s" in shown
