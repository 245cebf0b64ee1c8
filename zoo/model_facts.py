"""How large a model is."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.passport import ModelFacts

if TYPE_CHECKING:
    import keras


def model_facts(model: "keras.Model") -> ModelFacts:
    """Return a model's parameters, the bytes they take in memory, and its multiply-adds where they can be counted."""
    import keras

    from zoo.errors import ConfigError
    from zoo.inspection.multiply_adds import count_multiply_adds

    def count(weights: list[Any]) -> int:
        return sum(math.prod(weight.shape) for weight in weights)

    try:
        multiply_adds = count_multiply_adds(model)
    except ConfigError:  # without a graph of layers, there is nothing to count
        multiply_adds = None
    return ModelFacts(
        parameters=count(model.weights),
        trainable=count(model.trainable_weights),
        bytes=sum(np.asarray(keras.ops.convert_to_numpy(weight)).nbytes for weight in model.weights),
        multiply_adds=multiply_adds,
    )
