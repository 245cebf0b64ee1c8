"""What a model says of all rows of a split."""

from collections.abc import Collection, Mapping

import keras
import numpy as np
import tensorflow as tf

from training.data import Split
from zoo.heads import training_model

_BATCH = 256


def answers_of(model: keras.Model, split: Split, outputs: Collection[str]) -> dict[str, np.ndarray]:
    """Return these outputs of a model for every row, float32 (rows, ...): logits where it has probabilities.

    Args:
        model: one of `zoo.build`.
        split: the rows.
        outputs: by their names in the model.
    """
    logits = training_model(model)

    @tf.function(autograph=False, reduce_retracing=True)
    def answer(inputs: Mapping[str, tf.Tensor] | tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = tf.nest.map_structure(
            lambda array, taken: array if array.dtype == tf.string else tf.cast(array, taken.dtype), inputs, model.input
        )
        found = logits(inputs, training=False)
        return {name: tf.cast(found[name], tf.float32) for name in outputs}

    parts = [
        answer(tf.nest.map_structure(tf.constant, split.between(start, start + _BATCH).inputs))
        for start in range(0, len(split), _BATCH)
    ]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in outputs}
