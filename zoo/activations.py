"""Activations: functions and layers through one door."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from zoo.config.activation import ActivationConfig
from zoo.errors import ConfigError, shown
from zoo.keras_names import check_arguments, find, first_sentence, names_in
from zoo.layers.activation import FunctionActivation

PRELU = "prelu"
HALVING = "glu"
"""It gives half of the channels that it gets, so a layer would not have the width that its config says."""
_LAYERS = {"elu": keras.layers.ELU, "leaky_relu": keras.layers.LeakyReLU, "relu": keras.layers.ReLU}
"""Layers of Keras that are a function with its arguments."""
_LEAST = {"celu": ("alpha", 1e-3), "squareplus": ("b", 0.0)}
"""The least that an argument may be: of celu, which divides by it, what half precision still tells from 0 with ease; of
squareplus, which takes the root of x^2 + b, 0."""


def name_of(function: Callable[..., Any]) -> str:
    """Return the name under which an activation function is found again.

    Raises:
        ConfigError: it is neither Keras's nor registered with `keras.saving.register_keras_serializable`.
    """
    if isinstance(function, type | keras.Layer):
        raise ConfigError(f"expected a function or a name such as 'prelu', got {shown(function)}")
    name = getattr(function, "__name__", "")
    if getattr(keras.activations, name, None) is function:
        return name
    registered = keras.saving.get_registered_name(function)
    if keras.saving.get_registered_object(registered) is not function:
        raise ConfigError(
            f"the activation {name or repr(function)} has no name to be found by again: decorate it with "
            "@keras.saving.register_keras_serializable('my_package')"
        )
    return registered


def check_activation(config: ActivationConfig) -> None:
    """Raise ConfigError unless there is such an activation, it takes these arguments, and it can follow a layer."""
    what, arguments = "activation", config.arguments
    if config.kind == HALVING:
        raise ConfigError(
            "glu gives half of the channels it gets, so it cannot follow a hidden layer: choose silu or gelu"
        )
    if config.kind == PRELU:
        if "shared_axes" in arguments:
            raise ConfigError("activation 'prelu': shared_axes are all but the channels: leave it out")
        check_arguments(what, PRELU, keras.layers.PReLU, arguments)
    else:
        function = find(what, config.kind, keras.activations, [PRELU])
        if inspect.isclass(function):
            raise ConfigError(f"activation {config.kind!r} is a class: register a function")
        first = next(iter(inspect.signature(function).parameters), "")
        check_arguments(what, config.kind, function, arguments, given=[first])
    if arguments.get("axis", -1) != -1:
        raise ConfigError(
            f"activation {config.kind!r}: expected axis -1, that of the channels, got {shown(arguments['axis'])}"
        )
    if config.kind in _LEAST:
        argument, least = _LEAST[config.kind]
        if arguments.get(argument, 1) < least:
            raise ConfigError(
                f"activation {config.kind!r}: expected {argument} >= {least:g}, got {arguments[argument]}: it would give NaN"
            )
    try:
        activation_layer(config, rank=2, name=what)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"activation {config.kind!r} refuses {shown(arguments)}: {first_sentence(error)}") from None


def activation_function(config: ActivationConfig) -> Callable[[Any], Any]:
    """Return the activation as what layers take for `activation`; it is saved with them.

    Raises:
        ConfigError: it is `prelu`, which has weights.
    """
    if config.kind == PRELU:
        raise ConfigError("prelu has weights of its own, so it cannot be used inside a layer: choose leaky_relu")
    if config.arguments:
        return FunctionActivation(config.kind, config.arguments, name=config.kind.rpartition(">")[-1])
    return find("activation", config.kind, keras.activations)


def activation_layer(config: ActivationConfig, rank: int, name: str | None = None) -> keras.Layer:
    """Return the activation as a layer.

    Args:
        config: which one.
        rank: of what it will be called on, with the batch: prelu has a slope per channel, wherever in an image.
        name: of the layer.
    """
    arguments = config.arguments
    if config.kind == PRELU:
        return keras.layers.PReLU(**{"shared_axes": list(range(1, rank - 1)) or None, **arguments}, name=name)
    if not arguments and config.kind in names_in(keras.activations):
        return keras.layers.Activation(find("activation", config.kind, keras.activations), name=name)
    layer = _LAYERS.get(config.kind) if arguments else None
    if layer is not None and arguments.keys() <= inspect.signature(layer).parameters.keys():
        return layer(**arguments, name=name)
    return FunctionActivation(config.kind, arguments, name=name)
