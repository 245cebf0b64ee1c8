"""Convolutional network for images: stages of convolution and pooling."""

from typing import Annotated, Literal, Self

import keras
from pydantic import Field, PositiveInt, model_validator

from zoo.blocks import activate, dense, hidden_options
from zoo.config import ModelConfig, Sizes
from zoo.registry import register, register_model

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
        height, width = (size or 1 for size in self.backbone_shape()[:2])
        side = min(height, width)
        if self.kernel_size > side:
            raise ValueError(f"kernel_size {self.kernel_size} is larger than the image, {self.input_shape[:2]}")
        stages = side.bit_length() - 1
        if len(self.filters) > stages:
            raise ValueError(
                f"filters has {len(self.filters)} stages, each halving the image, "
                f"but {self.input_shape[:2]} can be halved {stages} times"
            )
        return self


@register(
    "cnn", CNNConfig, example={"input_shape": (28, 28, 1), "head": {"kind": "softmax", "units": 10}}, tags=["image"]
)
def cnn_backbone(x: keras.KerasTensor, config: CNNConfig) -> keras.KerasTensor:
    """(N, height, width, channels) -> (N, features)."""
    layers = keras.layers
    pool = layers.MaxPooling2D if config.pooling == "max" else layers.AveragePooling2D
    flatten = {
        "average": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
        "flatten": layers.Flatten,
    }[config.global_pooling]
    for stage, filters in enumerate(config.filters, start=1):
        name = f"conv_{stage}"
        x = layers.Conv2D(filters, config.kernel_size, padding="same", name=name, **hidden_options(config, 4))(x)
        x = activate(x, config, name)
        x = pool(POOL_SIZE)(x)
    x = flatten()(x)
    for number, units in enumerate(config.units, start=1):
        x = dense(x, units, config, f"dense_{number}")
    return x


register_model("cnn_tiny", architecture="cnn", filters=(16, 32))
register_model("cnn_small", architecture="cnn", filters=(32, 64), units=(64,))
