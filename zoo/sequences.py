"""Which steps of a sequence count, and which are padding."""

import keras
from keras import ops

from zoo.config import ModelConfig, SequenceConfig


def padding_mask(x: keras.KerasTensor, config: SequenceConfig) -> keras.KerasTensor | None:
    """Return which steps count, bool (N, steps), or None where all do.

    Args:
        x: token ids (N, steps), of which 0 is padding, or vectors (N, steps, features), of which those of zeros are.
        config: whether padding is to be told apart at all.
    """
    if not config.masks_padding():
        return None
    counts = ops.not_equal(x, 0)
    return counts if len(x.shape) == 2 else ops.any(counts, axis=-1)


def add_noise(x: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """Add the config's noise, in training, to what a backbone sees; ids and padding stay as they are."""
    stddev = config.regularization.gaussian_noise
    if not stddev or "int" in x.dtype:
        return x
    noisy = keras.layers.GaussianNoise(stddev, name="noise")(x)
    mask = padding_mask(x, config) if isinstance(config, SequenceConfig) and config.takes_sequence() else None
    return noisy if mask is None else ops.where(ops.expand_dims(mask, -1), noisy, x)
