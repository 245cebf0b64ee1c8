"""Multi-layer perceptron: dense layers, one after the other."""

from typing import Annotated, Literal

import keras
from pydantic import Field

from zoo.blocks import dense
from zoo.config import ModelConfig, Sizes
from zoo.registry import register, register_model


class MLPConfig(ModelConfig):
    """A multi-layer perceptron. An input of more than one axis is flattened."""

    architecture: Literal["mlp"]
    units: Annotated[Sizes, Field(min_length=1)] = (64, 64)
    """Width of each hidden layer."""


@register(
    "mlp", MLPConfig, example={"input_shape": (784,), "head": {"kind": "softmax", "units": 10}}, tags=["table", "image"]
)
def mlp_backbone(x: keras.KerasTensor, config: MLPConfig) -> keras.KerasTensor:
    """(N, *input_shape) -> (N, units[-1])."""
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name="flatten")(x)
    for number, units in enumerate(config.units, start=1):
        x = dense(x, units, config, f"dense_{number}")
    return x


register_model("mlp_tiny", architecture="mlp", units=(16, 16))
register_model("mlp_small", architecture="mlp", units=(128, 64))
