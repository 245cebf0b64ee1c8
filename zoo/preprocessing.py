"""Steps that a client would otherwise have to repeat, as layers at the front of the model."""

from collections.abc import Sequence

import keras

from zoo.config import PreprocessingConfig


def preprocess(x: keras.KerasTensor, steps: Sequence[PreprocessingConfig]) -> keras.KerasTensor:
    """Apply the steps in order. Being layers of the model, they are the same in training and in serving."""
    for step in steps:
        x = keras.layers.Rescaling(step.scale, offset=step.offset)(x)
    return x
