"""What convolutional backbones are made of, over images (height, width, channels) and series (steps, channels) alike."""

from typing import Any, Literal

import keras

from zoo.blocks import activate, bias_options, hidden_options, kernel_options
from zoo.builders.geometry import POOL_SIZE
from zoo.config import ModelConfig
from zoo.initializers import suitable_depthwise
from zoo.regularization import drop_maps, kernel_constraint, skip_by_chance

Convolution = Literal["ordinary", "separable"]


def convolve(
    x: keras.KerasTensor,
    filters: int,
    config: ModelConfig,
    name: str,
    *,
    kernel_size: int,
    strides: int = 1,
    kind: Convolution = "ordinary",
) -> keras.KerasTensor:
    """Apply a convolution that `activate_maps` follows: (N, ..., channels) -> (N, ..., filters).

    Zeros around the input keep its size: every axis between becomes its length / strides, rounded up. A separable
    convolution is one per channel and then one of size 1 over all channels, nothing between them (Chollet, 2017).
    """
    rank = len(x.shape) - 2
    options: dict[str, Any] = {"strides": strides, "padding": "same", "name": name}
    if kind == "separable":
        layer = keras.layers.SeparableConv1D if rank == 1 else keras.layers.SeparableConv2D
        return layer(filters, kernel_size, **options, **_separable_options(config, rank + 2, x.shape[-1]))(x)
    layer = keras.layers.Conv1D if rank == 1 else keras.layers.Conv2D
    return layer(filters, kernel_size, **options, **hidden_options(config, rank + 2))(x)


def _separable_options(config: ModelConfig, kernel_rank: int, channels: int) -> dict[str, Any]:
    depthwise, pointwise = kernel_options(config), kernel_options(config)
    if config.kernel_initializer is None:
        depthwise["kernel_initializer"] = suitable_depthwise(channels)
    constraint = config.regularization.constraint
    depthwise["kernel_constraint"] = kernel_constraint(constraint, kernel_rank, depthwise=True)
    pointwise["kernel_constraint"] = kernel_constraint(constraint, kernel_rank)
    return {
        **{option.replace("kernel", "depthwise"): value for option, value in depthwise.items()},
        **{option.replace("kernel", "pointwise"): value for option, value in pointwise.items()},
        **bias_options(config, normalized=True),
    }


def activate_maps(x: keras.KerasTensor, config: ModelConfig, name: str) -> keras.KerasTensor:
    """Apply what follows a convolution: normalization, activation, dropout of values and of maps, each where it is on."""
    return drop_maps(activate(x, config, name), config.regularization, f"{name}_spatial_dropout")


def add_residual(
    x: keras.KerasTensor,
    filters: int,
    config: ModelConfig,
    name: str,
    *,
    before: str,
    kernel_size: int,
    strides: int,
    kind: Convolution,
    branch: int,
    branches: int,
) -> keras.KerasTensor:
    """Add two convolutions to what came in, each after its activation (He et al., 2016, "Identity Mappings", section 4).

    Where the shape changes, a linear convolution of size 1, without biases, takes the place of the identity.

    Args:
        x: (N, ..., channels), the sum so far, not yet activated.
        filters: channels of the sum that comes out.
        config: of the model.
        name: of the block.
        before: name of what gave x.
        kernel_size: of both convolutions.
        strides: of the first, and of what takes the place of the identity.
        kind: of both convolutions.
        branch: the number of this block among all of the model, from 0, for stochastic depth.
        branches: how many there are.
    """
    activated = activate_maps(x, config, before)
    first, second = f"{name}_conv_1", f"{name}_conv_2"
    added = convolve(activated, filters, config, first, kernel_size=kernel_size, strides=strides, kind=kind)
    added = activate_maps(added, config, first)
    added = convolve(added, filters, config, second, kernel_size=kernel_size, kind=kind)
    added = skip_by_chance(added, config.regularization, branch=branch, branches=branches, name=f"{name}_depth")
    if strides == 1 and x.shape[-1] == filters:
        return keras.layers.Add(name=name)([x, added])
    rank = len(x.shape) - 2
    layer = keras.layers.Conv1D if rank == 1 else keras.layers.Conv2D
    options = {**hidden_options(config, rank + 2, "linear"), "use_bias": False}
    seen = activated if strides == 1 else _take_every(activated, strides, f"{name}_shortcut_strides")
    shortcut = layer(filters, 1, name=f"{name}_shortcut", **options)(seen)
    return keras.layers.Add(name=name)([shortcut, added])


def _take_every(x: keras.KerasTensor, strides: int, name: str) -> keras.KerasTensor:
    """Keep the first of every `strides` pixels or steps, as the strides of a convolution of size 1 do.

    Such a convolution would do it itself; but on a CPU, its gradient in TensorFlow 2.21 (oneDNN) writes past its memory
    where the side is even: 14 x 14 x 8 -> 7 x 7 x 16 crashes within a few steps. This is the same function, and less work.
    """
    layer = keras.layers.MaxPooling1D if len(x.shape) == 3 else keras.layers.MaxPooling2D
    return layer(1, strides=strides, padding="same", name=name)(x)


def pool(x: keras.KerasTensor, kind: Literal["max", "average", "none"], name: str) -> keras.KerasTensor:
    """Halve every axis but the channels.

    An odd side of an image loses its last pixels; of a series no step is lost, the last window is shorter.
    """
    layers = keras.layers
    if kind == "none":
        return x
    if len(x.shape) == 3:
        layer = layers.MaxPooling1D if kind == "max" else layers.AveragePooling1D
        return layer(POOL_SIZE, padding="same", name=name)(x)
    layer = layers.MaxPooling2D if kind == "max" else layers.AveragePooling2D
    return layer(POOL_SIZE, name=name)(x)


def pool_globally(x: keras.KerasTensor, kind: Literal["average", "max", "flatten"], name: str) -> keras.KerasTensor:
    """(N, ..., channels) -> (N, features): the mean or the largest value of each channel, or everything in a row."""
    layers = keras.layers
    match kind, len(x.shape):
        case "flatten", _:
            return layers.Flatten(name=name)(x)
        case "average", 3:
            return layers.GlobalAveragePooling1D(name=name)(x)
        case "max", 3:
            return layers.GlobalMaxPooling1D(name=name)(x)
        case "average", _:
            return layers.GlobalAveragePooling2D(name=name)(x)
        case _:
            return layers.GlobalMaxPooling2D(name=name)(x)
