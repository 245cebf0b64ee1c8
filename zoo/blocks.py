"""What backbones are made of: linear layers with everything a config says about their weights, and what follows them."""

from typing import Any

import keras

from zoo.activations import activation_layer
from zoo.config import ActivationConfig, ModelConfig
from zoo.errors import ConfigError
from zoo.initializers import make_initializer, suitable
from zoo.regularization import CENTRED, drop, kernel_constraint, kernel_regularizer, normalize


def kernel_options(config: ModelConfig, follows: ActivationConfig | str | None = None) -> dict[str, Any]:
    """Return initializer and penalty of a kernel, as Keras's layers take them, anew for every layer.

    Args:
        config: of the model.
        follows: the activation after the layer; that of the config where not given.
    """
    given = config.kernel_initializer
    return {
        "kernel_initializer": make_initializer(given) if given else suitable(follows or config.activation),
        "kernel_regularizer": kernel_regularizer(config.regularization),
    }


def bias_options(config: ModelConfig, *, normalized: bool = False) -> dict[str, Any]:
    """Return whether a layer has biases and what they begin as; `normalized`: the normalization that follows has its own."""
    has_own = normalized and config.regularization.normalization in CENTRED
    return {"use_bias": config.use_bias and not has_own, "bias_initializer": make_initializer(config.bias_initializer)}


def hidden_options(
    config: ModelConfig, kernel_rank: int, follows: ActivationConfig | str | None = None
) -> dict[str, Any]:
    """Return the arguments of a hidden Dense or Conv layer, one that `activate` follows; its constraint included."""
    return {
        **kernel_options(config, follows),
        **bias_options(config, normalized=True),
        "kernel_constraint": kernel_constraint(config.regularization.constraint, kernel_rank),
    }


def activate(
    x: keras.KerasTensor, config: ModelConfig, name: str, activation: ActivationConfig | None = None
) -> keras.KerasTensor:
    """Apply what follows a linear layer: normalization, activation, dropout, each where it is on.

    Args:
        x: (N, ..., channels).
        config: of the model.
        name: of the linear layer; what follows is named after it.
        activation: in place of the config's.

    Raises:
        ConfigError: a registered activation changes the shape.
    """
    x = normalize(x, config.regularization, f"{name}_norm")
    chosen = activation or config.activation
    activated = activation_layer(chosen, len(x.shape), f"{name}_activation")(x)
    if activated.shape != x.shape:
        raise ConfigError(
            f"activation {chosen.kind!r} makes {activated.shape} of {x.shape}: expected a function that keeps the shape"
        )
    return drop(activated, config.regularization, f"{name}_dropout")


def dense(
    x: keras.KerasTensor, units: int, config: ModelConfig, name: str, activation: ActivationConfig | None = None
) -> keras.KerasTensor:
    """Apply a dense layer and what follows it: (N, ..., features) -> (N, ..., units)."""
    x = keras.layers.Dense(units, name=name, **hidden_options(config, 2, activation))(x)
    return activate(x, config, name, activation)
