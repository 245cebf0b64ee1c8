"""Multi-layer perceptron: dense layers, one after the other."""

from typing import Annotated, Literal

import keras
from pydantic import Field

from zoo.config import ModelConfig, Sizes
from zoo.registry import register, register_model
from zoo.regularization import activate, kernel_regularizer


class MLPConfig(ModelConfig):
    """A multi-layer perceptron. An input of more than one axis is flattened."""

    architecture: Literal["mlp"]
    units: Annotated[Sizes, Field(min_length=1)] = (64, 64)
    """Width of each hidden layer."""


@register("mlp", MLPConfig)
def mlp_backbone(x: keras.KerasTensor, config: MLPConfig) -> keras.KerasTensor:
    """(N, *input_shape) -> (N, units[-1])."""
    if len(config.input_shape) > 1:
        x = keras.layers.Flatten()(x)
    penalty = kernel_regularizer(config.regularization)
    for units in config.units:
        x = keras.layers.Dense(units, use_bias=not config.regularization.batch_norm, kernel_regularizer=penalty)(x)
        x = activate(x, config)
    return x


register_model("mlp_tiny", architecture="mlp", units=(16, 16))
register_model("mlp_small", architecture="mlp", units=(128, 64))
