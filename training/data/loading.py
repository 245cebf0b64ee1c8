"""From a config to a data set in memory."""

from training.config import DataConfig
from training.data.dataset import Dataset
from training.data.tfds import load_prepared


def load_data(config: DataConfig) -> Dataset:
    """Load a data set, preparing it first where TFDS has not done so yet.

    All rows of all splits are held in memory.

    Raises:
        UnknownNameError: neither ours nor TFDS's data sets have the name, or it has no split of a name.
        ConfigError: the data set has no (input, label) pairs, or rows of different shapes.
    """
    return load_prepared(config)
