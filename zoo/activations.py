"""Activations by name."""

import keras

from zoo.errors import ConfigError, did_you_mean


def check_activation(name: str) -> None:
    """Raise ConfigError unless Keras knows an activation function of this name."""
    try:
        keras.activations.get(name)
    except ValueError:
        known = [
            n for n in dir(keras.activations) if not n.startswith("_") and n not in {"get", "serialize", "deserialize"}
        ]
        raise ConfigError(f"unknown activation {name!r}; {did_you_mean(name, known)}") from None
