"""Finding by name what Keras has or what was registered with it."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import keras

from zoo.errors import ConfigError, did_you_mean, shown

_NOT_NAMES = {"get", "serialize", "deserialize"}
_OF_EVERY_LAYER = {"self", "name", "dtype"}


def names_in(module: Any) -> list[str]:
    """Return the names that a module of Keras such as `keras.activations` knows, in snake case."""
    return sorted(
        name for name in dir(module) if name.islower() and not name.startswith("_") and name not in _NOT_NAMES
    )


def find(what: str, name: str, module: Any, more: Iterable[str] = (), *, base: type | None = None) -> Any:
    """Return what a module of Keras, or the registry of serializable objects (`package>name`), has under a name.

    Args:
        what: is looked for, for messages.
        name: of it.
        module: of Keras that may have it.
        more: names to tell of beside those of the module.
        base: class that what was registered must extend.

    Raises:
        ConfigError: neither knows it, or what was registered is something else.
    """
    if name in names_in(module):
        return getattr(module, name)
    found = keras.saving.get_registered_object(name)
    if found is None:
        known = [*names_in(module), *more]
        hint = did_you_mean(name, known)
        if ">" in name:
            hint = "import the module that registers it first (@keras.saving.register_keras_serializable)"
        raise ConfigError(f"unknown {what} {shown(name)}; {hint}")
    if base is not None and not (inspect.isclass(found) and issubclass(found, base)):
        raise ConfigError(f"{what} {name!r}: expected a class that extends {base.__name__}, got {shown(found)}")
    return found


def call(what: str, name: str, function: Callable[..., Any], arguments: Mapping[str, Any], **given: Any) -> Any:
    """Call something of Keras with arguments from a config, and others `given` beside them.

    Raises:
        ConfigError: it does not take them.
    """
    check_arguments(what, name, function, arguments)
    try:
        return function(**given, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what} {name!r} refuses {shown(dict(arguments))}: {first_sentence(error)}") from None


def check_arguments(
    what: str, name: str, function: Callable[..., Any], arguments: Mapping[str, Any], *, given: Iterable[str] = ()
) -> None:
    """Check that a function takes arguments of these names and types, and lacks none; `given` are those it gets otherwise.

    Raises:
        ConfigError: it does not; the message says what it takes.
    """
    parameters = inspect.signature(function).parameters
    # what a layer takes beside its own are options of every layer, which are not chosen here
    is_layer = inspect.isclass(function) and issubclass(function, keras.Layer)
    rest = [key for key, parameter in parameters.items() if parameter.kind is parameter.VAR_KEYWORD]
    taken = {key: parameter for key, parameter in parameters.items() if key not in {*given, *rest, *_OF_EVERY_LAYER}}
    for argument, value in arguments.items():
        if argument in taken:
            _check_type(f"{what} {name!r}: {argument}", value, taken[argument])
        elif not rest or is_layer or argument in _OF_EVERY_LAYER:
            raise ConfigError(f"{what} {name!r} has no argument {argument!r}; {did_you_mean(argument, taken)}")
    for key, parameter in taken.items():
        named = parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
        if named and parameter.default is parameter.empty and key not in arguments:
            raise ConfigError(f"{what} {name!r} needs the argument {key!r}: write {{kind: {name}, {key}: ...}}")


def _check_type(place: str, value: Any, parameter: inspect.Parameter) -> None:
    """Raise ConfigError unless a value is of the type of the default that it replaces."""
    default = parameter.default
    if isinstance(default, bool) or parameter.annotation in {bool, "bool"}:
        expected, fits = "true or false", isinstance(value, bool)
    elif isinstance(default, int | float):
        expected, fits = "a number", isinstance(value, int | float) and not isinstance(value, bool)
    elif isinstance(default, str):
        expected, fits = f"text such as {default!r}", isinstance(value, str)
    else:
        expected, fits = "a number or text", isinstance(value, int | float | str | None) and not isinstance(value, bool)
    if not fits:
        raise ConfigError(f"{place}: expected {expected}, got {shown(value)} ({type(value).__name__})")


def first_sentence(error: Exception) -> str:
    """Return the first line of a message of Keras; the others repeat it with a stack of arguments."""
    return str(error).strip().partition("\n")[0]
