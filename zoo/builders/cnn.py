"""Convolutional network for images: stages of convolution and pooling."""

from typing import Annotated, Literal, Self

import keras
from pydantic import Field, PositiveInt, model_validator

from zoo.config import ModelConfig, Sizes
from zoo.registry import register, register_model
from zoo.regularization import activate, kernel_regularizer

POOL_SIZE = 2


class CNNConfig(ModelConfig):
    """A plain convolutional network over images of shape (height, width, channels)."""

    architecture: Literal["cnn"]
    filters: Annotated[Sizes, Field(min_length=1)] = (32, 64)
    """Channels of each stage: that many convolutions ('same' padding), each followed by 2x2 pooling."""
    kernel_size: PositiveInt = 3
    pooling: Literal["max", "average"] = "max"
    """How a stage halves the image."""
    global_pooling: Literal["average", "max", "flatten"] = "average"
    """How what is left of the image becomes features."""
    units: Sizes = ()
    """Widths of dense layers before the head."""

    @model_validator(mode="after")
    def _image_is_large_enough(self) -> Self:
        if len(self.input_shape) != 3:
            raise ValueError(
                f"input_shape of a cnn is (height, width, channels), got {self.input_shape}; a grey image has 1 channel"
            )
        side = min(self.input_shape[:2])
        if self.kernel_size > side:
            raise ValueError(f"kernel_size {self.kernel_size} is larger than the image, {self.input_shape[:2]}")
        stages = side.bit_length() - 1
        if len(self.filters) > stages:
            raise ValueError(
                f"filters has {len(self.filters)} stages, each halving the image, "
                f"but {self.input_shape[:2]} can be halved {stages} times"
            )
        return self


@register("cnn", CNNConfig)
def cnn_backbone(x: keras.KerasTensor, config: CNNConfig) -> keras.KerasTensor:
    """(N, height, width, channels) -> (N, features)."""
    layers = keras.layers
    pool = layers.MaxPooling2D if config.pooling == "max" else layers.AveragePooling2D
    flatten = {
        "average": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
        "flatten": layers.Flatten,
    }[config.global_pooling]
    penalty = kernel_regularizer(config.regularization)
    use_bias = not config.regularization.batch_norm
    for filters in config.filters:
        x = layers.Conv2D(filters, config.kernel_size, padding="same", use_bias=use_bias, kernel_regularizer=penalty)(x)
        x = activate(x, config)
        x = pool(POOL_SIZE)(x)
    x = flatten()(x)
    for units in config.units:
        x = layers.Dense(units, use_bias=use_bias, kernel_regularizer=penalty)(x)
        x = activate(x, config)
    return x


register_model("cnn_tiny", architecture="cnn", filters=(16, 32))
register_model("cnn_small", architecture="cnn", filters=(32, 64), units=(64,))
