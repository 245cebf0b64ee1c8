from pathlib import Path

import tensorflow as tf

from training.callbacks import End, EpochEnd
from training.diagnosis import Diagnosis, LayerHealth
from training.tensorboard import TensorBoardLog

DIAGNOSIS = Diagnosis(
    0.25,
    {"dense": LayerHealth(0.25, 4.0, 0.125, None), "relu": LayerHealth(dead=0.5)},
    {"dense/kernel": (0.25, 4.0)},
    64,
)
EPOCH = EpochEnd(
    epoch=1,
    step=4,
    seconds=2.0,
    examples_per_second=30.0,
    learning_rate=0.5,
    metrics={"train": {"loss": 1.5}, "validation": {"loss": 2.5}},
    best=True,
    step_seconds=0.5,
    diagnosis=DIAGNOSIS,
)


def events(folder: Path) -> dict[str, tuple[int, float]]:
    """Read an event file back as TensorBoard does, with TensorFlow's own messages."""
    [file] = folder.iterdir()
    found = {}
    for raw in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(raw)
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            found[value.tag] = (event.step, float(tf.make_ndarray(value.tensor)))
    return found


def test_every_split_has_its_curves_over_steps(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    log.on_epoch_end(EPOCH)
    log.on_end(End("finished", 1, 1, 3.0))
    assert events(tmp_path / "tensorboard" / "validation") == {"loss": (4, 2.5)}
    train = events(tmp_path / "tensorboard" / "train")
    assert train["loss"] == (4, 1.5)
    assert train["learning_rate"] == (4, 0.5)
    assert train["examples_per_second"] == (4, 30.0)
    assert train["step_milliseconds"] == (4, 500.0)


def test_what_was_diagnosed_of_layers_is_there(tmp_path: Path) -> None:
    log = TensorBoardLog(tmp_path)
    log.on_epoch_end(EPOCH)
    log.on_end(End("finished", 1, 1, 3.0))
    train = events(tmp_path / "tensorboard" / "train")
    assert {tag: value for tag, (_, value) in train.items() if "/" in tag or tag == "gradient_norm"} == {
        "gradient_norm": 0.25,
        "gradient_norm/dense": 0.25,
        "weight_norm/dense": 4.0,
        "weight_change/dense": 0.125,
        "dead_units/relu": 0.5,
    }
