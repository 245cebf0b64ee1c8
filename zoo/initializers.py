"""Initializers by name, and the one that suits an activation."""

import inspect

import keras

from zoo.config.activation import ActivationConfig
from zoo.config.initializer import InitializerConfig
from zoo.errors import ConfigError
from zoo.keras_names import call, find

RECTIFYING = {
    *("relu", "relu6", "leaky_relu", "prelu"),
    *("celu", "elu", "gelu", "hard_silu", "hard_swish", "mish", "silu", "softplus", "squareplus", "swish"),
}
"""Activations that let about half of the variance through (He et al., 2015)."""


def make_initializer(config: InitializerConfig) -> keras.Initializer:
    """Return a new initializer. One made anew for each weight draws anew; a shared one would draw the same numbers twice."""
    return call("initializer", config.kind, _class_of(config), config.arguments)


def _class_of(config: InitializerConfig) -> type[keras.Initializer]:
    return find("initializer", config.kind, keras.initializers, base=keras.Initializer)


def suitable(activation: ActivationConfig | str) -> str:
    """Return the initializer that keeps the variance through a layer with this activation.

    he_normal where half of it is cut off (He et al., 2015), lecun_normal for selu (Klambauer et al., 2017), else
    glorot_uniform (Glorot and Bengio, 2010).
    """
    kind = activation if isinstance(activation, str) else activation.kind
    if kind == "selu":
        return "lecun_normal"
    return "he_normal" if kind in RECTIFYING else "glorot_uniform"


def suitable_depthwise(channels: int) -> keras.Initializer:
    """Return the initializer of the depthwise part of a separable convolution, which no activation follows.

    Each of its maps sees one channel, but Keras counts the weights of all `channels` as its fan-in, so that he_normal would
    begin with a variance that many times too small. This one has 1 / fan-in (LeCun et al., 1998) of the true fan-in.
    """
    return keras.initializers.VarianceScaling(scale=channels, mode="fan_in", distribution="truncated_normal")


def check_initializer(config: InitializerConfig) -> None:
    """Raise ConfigError unless there is such an initializer and it takes these arguments."""
    found = _class_of(config)
    if config.kind == "stft":
        raise ConfigError("initializer 'stft' fills spectrogram layers only: choose another, such as 'he_normal'")
    if "seed" in config.arguments:
        raise ConfigError(
            f"initializer {config.kind!r}: a seed would make all weights of one shape begin alike: leave it out and seed "
            "everything at once, with keras.utils.set_random_seed or the seed of the run"
        )
    # Without a seed it would draw from the global generator, which a check must not change.
    seed = {"seed": 0} if "seed" in inspect.signature(found).parameters else {}
    call("initializer", config.kind, found, config.arguments, **seed)
