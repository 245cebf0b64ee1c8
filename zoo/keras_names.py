"""Finding by name what Keras has or what was registered with it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from zoo.errors import ConfigError, did_you_mean

_NOT_NAMES = {"get", "serialize", "deserialize"}


def names_in(module: Any) -> list[str]:
    """Return the names that a module of Keras such as `keras.activations` knows, in snake case."""
    return sorted(
        name for name in dir(module) if name.islower() and not name.startswith("_") and name not in _NOT_NAMES
    )


def find(what: str, name: str, module: Any, more: Iterable[str] = ()) -> Any:
    """Return what a module of Keras, or the registry of serializable objects (`package>name`), has under a name.

    Raises:
        ConfigError: neither knows it.
    """
    if name in names_in(module):
        return getattr(module, name)
    found = keras.saving.get_registered_object(name)
    if found is None:
        known = [*names_in(module), *more]
        hint = did_you_mean(name, known)
        if ">" in name:
            hint = "import the module that registers it first (@keras.saving.register_keras_serializable)"
        raise ConfigError(f"unknown {what} {name!r}; {hint}")
    return found


def call(what: str, name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call something of Keras with arguments from a config.

    Raises:
        ConfigError: it does not take them.
    """
    check_arguments(what, name, function, arguments)
    try:
        return function(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} {name!r} refuses {dict(arguments)}: {_first_sentence(error)}") from None


def check_arguments(
    what: str, name: str, function: Callable[..., Any], arguments: Mapping[str, Any], *, given: Iterable[str] = ()
) -> None:
    """Check that a function has parameters of these names; `given` are those that it gets otherwise.

    Raises:
        ConfigError: it has not; the message says which it has.
    """
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    taken = [parameter for parameter in parameters if parameter not in {*given, "self", "name", "dtype"}]
    for argument in arguments:
        if argument not in taken:
            raise ConfigError(f"{what} {name!r} has no argument {argument!r}; {did_you_mean(argument, taken)}")


def _first_sentence(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
