"""The curves of a run for TensorBoard, written without the tensorboard package."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from training.callbacks import Callback, End, EpochEnd
from training.diagnosis import Diagnosis
from training.run_log import TENSORBOARD


class TensorBoardLog(Callback):
    """Writes scalars over steps: metrics by split, learning rate, speed, and what was diagnosed of each layer."""

    def __init__(self, folder: Path) -> None:
        """Write below a run's folder."""
        self._folder = folder / TENSORBOARD
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: EpochEnd) -> None:
        """Write the epoch's scalars."""
        speed = {
            "examples_per_second": epoch.examples_per_second,
            "step_milliseconds": 1000 * epoch.step_seconds,
            "learning_rate": epoch.learning_rate,
        }
        diagnosed = {} if epoch.diagnosis is None else _scalars_of(epoch.diagnosis)
        for split, metrics in epoch.metrics.items():
            more = {**speed, **diagnosed} if split == "train" else {}
            self._write(split, {**metrics, **more}, epoch.step)

    def on_end(self, end: End) -> None:  # noqa: ARG002 - only that it is over
        """Close the files."""
        for writer in self._writers.values():
            writer.close()

    def _write(self, split: str, values: Mapping[str, float], step: int) -> None:
        if split not in self._writers:
            self._writers[split] = tf.summary.create_file_writer(str(self._folder / split))
        with self._writers[split].as_default():
            for name, value in values.items():
                tf.summary.write(name, tf.constant(value, tf.float32), step=step, metadata=_scalar_metadata())
        self._writers[split].flush()


def _scalars_of(diagnosis: Diagnosis) -> dict[str, float]:
    names = {"gradient": "gradient_norm", "weight": "weight_norm", "change": "weight_change", "dead": "dead_units"}
    scalars = {"gradient_norm": diagnosis.gradient}
    for path, layer in diagnosis.layers.items():
        scalars |= {f"{names[key]}/{path}": value for key, value in vars(layer).items() if value is not None}
    return scalars


def _scalar_metadata() -> Any:
    """Mark a value as a scalar, as `tf.summary.scalar` does; that one needs the tensorboard package to be installed."""
    metadata = tf.compat.v1.SummaryMetadata()
    metadata.plugin_data.plugin_name = "scalars"
    return metadata
