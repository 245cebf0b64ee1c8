"""Which rows to learn from: a data set by name, or files of one's own."""

from typing import Annotated, Any, Literal

from pydantic import PositiveInt

from training.config.augmentation import AugmentationConfig
from training.config.split_name import SplitName
from zoo.config import Config
from zoo.config.base import Listed, Size


class RowsConfig(Config):
    """What all data sets have."""

    rows: PositiveInt | None = None
    """Use only so many rows of each split."""
    augmentation: AugmentationConfig | None = None
    """Change images at random while training, never while measuring."""


class DataConfig(RowsConfig):
    """A data set by name."""

    kind: Literal["tfds"] = "tfds"
    name: str
    """A data set of ours (`training.datasets`) or any of TensorFlow Datasets that has (input, label) pairs; a config of it
    as `name/config`, a version as `name:1.0.0`."""
    directory: str | None = None
    """Where TFDS keeps prepared data; None is its own default, `TFDS_DATA_DIR` or ~/tensorflow_datasets."""
    splits: dict[SplitName, str] | None = None
    """What makes each split, where the data set names them otherwise or has too few, such as {train: "train[:90%]",
    validation: "train[90%:]", test: test}; null takes them as they are."""
    size: Annotated[tuple[Size, Size], Listed] | None = None
    """[height, width] to which images are resized (bilinear, uint8 stays uint8); null: all have to be of one size."""
    length: Size | None = None
    """To how many steps sequences of different lengths are cut, or filled up with 0; null: all have to be equally long."""


def with_kind(data: Any) -> Any:
    """Return a data section with the kind that it means where it names none: TFDS's."""
    return {"kind": "tfds", **data} if isinstance(data, dict) and "kind" not in data else data
