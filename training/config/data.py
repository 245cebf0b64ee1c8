"""Which rows to learn from."""

from typing import Literal

from pydantic import PositiveInt

from zoo.config import Config

SplitName = Literal["train", "validation", "calibration", "test"]
"""`train` is learnt from, `validation` chooses the epoch, `calibration` is kept for what adjusts a trained model, `test` is
read once, in the end."""


class DataConfig(Config):
    """A data set by name."""

    name: str
    """A data set of ours (`training.datasets`) or any of TensorFlow Datasets that has (input, label) pairs; a config of it
    as `name/config`, a version as `name:1.0.0`."""
    directory: str | None = None
    """Where TFDS keeps prepared data; None is its own default, `TFDS_DATA_DIR` or ~/tensorflow_datasets."""
    splits: dict[SplitName, str] | None = None
    """What makes each split, where the data set names them otherwise or has too few, such as {train: "train[:90%]",
    validation: "train[90%:]", test: test}; null takes them as they are."""
    rows: PositiveInt | None = None
    """Use only so many rows of each split."""
