"""Initializers by name, and the one that suits an activation."""

import inspect
from typing import Any

import keras

from zoo.config.activation import ActivationConfig
from zoo.config.initializer import InitializerConfig
from zoo.keras_names import call, find

RECTIFYING = {
    *("relu", "relu6", "leaky_relu", "prelu"),
    *("celu", "elu", "gelu", "hard_silu", "hard_swish", "mish", "silu", "softplus", "squareplus", "swish"),
}
"""Activations that let about half of the variance through (He et al., 2015)."""


def make_initializer(config: InitializerConfig) -> keras.Initializer:
    """Return a new initializer. One made anew for each weight draws anew; a shared one would draw the same numbers twice."""
    return call("initializer", config.kind, find("initializer", config.kind, keras.initializers), config.arguments)


def suitable(activation: ActivationConfig | str) -> str:
    """Return the initializer that keeps the variance through a layer with this activation.

    he_normal where half of it is cut off (He et al., 2015), lecun_normal for selu (Klambauer et al., 2017), else
    glorot_uniform (Glorot and Bengio, 2010).
    """
    kind = activation if isinstance(activation, str) else activation.kind
    if kind == "selu":
        return "lecun_normal"
    return "he_normal" if kind in RECTIFYING else "glorot_uniform"


def check_initializer(config: InitializerConfig) -> None:
    """Raise ConfigError unless there is such an initializer and it takes these arguments."""
    found = find("initializer", config.kind, keras.initializers)
    arguments: dict[str, Any] = config.arguments
    if "seed" in inspect.signature(found).parameters:
        arguments = {
            "seed": 0,
            **arguments,
        }  # without one it draws from the global generator, which a check must not change
    call("initializer", config.kind, found, arguments)
