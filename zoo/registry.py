"""Which architectures and named models there are.

State: two module-level tables, filled when the first question is asked; registering and asking are safe from any thread.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import keras

from zoo.config import ModelConfig
from zoo.errors import ConfigError, RegistrationError, UnknownNameError, did_you_mean
from zoo.heads import head_outputs
from zoo.preprocessing import preprocess

logger = logging.getLogger(__name__)

BUILT_IN = ("zoo.builders.cnn", "zoo.builders.mlp")
ENTRY_POINTS = "zoo.architectures"
"""Other packages name a module of theirs in this group; importing it registers what it has."""
INPUT_NAME = "inputs"

Backbone = Callable[[keras.KerasTensor, Any], keras.KerasTensor]
"""(inputs, config) -> features."""


@dataclass(frozen=True)
class Architecture:
    """One family of models: how it is configured and how its backbone is made."""

    name: str
    config: type[ModelConfig]
    backbone: Backbone


@dataclass
class _Tables:
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards the tables; never held while a module is imported, whose registering waits for it."""
    filling: threading.RLock = field(default_factory=threading.RLock)
    architectures: dict[str, Architecture] = field(default_factory=dict)
    models: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    filled: bool = False


_tables = _Tables()


def register(name: str, config: type[ModelConfig]) -> Callable[[Backbone], Backbone]:
    """Register the decorated backbone builder as an architecture.

    Args:
        name: the registry key, such as `mlp`.
        config: its config class, a ModelConfig with fields of its own.

    Raises:
        RegistrationError: the name is taken.
    """

    def add(backbone: Backbone) -> Backbone:
        with _tables.lock:
            _refuse_taken(name)
            _tables.architectures[name] = Architecture(name, config, backbone)
        return backbone

    return add


def register_model(name: str, *, architecture: str, **fields: Any) -> None:
    """Register a named size: an architecture with some of its fields filled in.

    Raises:
        RegistrationError: the name is taken.
    """
    with _tables.lock:
        _refuse_taken(name)
        _tables.models[name] = {"architecture": architecture, **fields}


def _refuse_taken(name: str) -> None:
    if name in _tables.architectures or name in _tables.models:
        raise RegistrationError(
            f"{name!r} is registered already: choose another name, one that no installed package uses"
        )


def _filled() -> _Tables:
    with _tables.filling:
        if not _tables.filled:
            for module in BUILT_IN:
                import_module(module)
            for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
                _load(point)
            _tables.filled = True
    return _tables


def _load(point: EntryPoint) -> None:
    try:
        point.load()
    except RegistrationError as error:
        raise RegistrationError(f"the architectures of {point.value} (entry point {point.name!r}): {error}") from None
    except Exception as error:  # noqa: BLE001 - another package's import may fail in any way; the rest must work
        logger.warning("cannot load the architectures of %s: %s: %s", point.value, type(error).__name__, error)


def get(name: str) -> Architecture:
    """Return an architecture by name. Raises UnknownNameError with the nearest known name."""
    architectures = _filled().architectures
    if name not in architectures:
        raise UnknownNameError(f"unknown architecture {name!r}; {did_you_mean(name, architectures)}")
    return architectures[name]


def list_architectures() -> list[str]:
    """Return the names of the registered families, sorted."""
    return sorted(_filled().architectures)


def list_models(pattern: str = "*") -> list[str]:
    """Return the named sizes whose name matches a wildcard pattern such as `cnn_*`, sorted."""
    return sorted(name for name in _filled().models if fnmatchcase(name, pattern))


def model_fields(name: str) -> dict[str, Any]:
    """Return what a named size stands for: its architecture and the fields it fills in."""
    models = _filled().models
    if name not in models:
        raise UnknownNameError(f"unknown model {name!r}; {did_you_mean(name, models)}")
    return dict(models[name])


def resolve(data: Mapping[str, Any]) -> tuple[type[ModelConfig], dict[str, Any]]:
    """Return the config class and the plain fields that `data` means, named sizes spelled out.

    Raises:
        ConfigError: `architecture` is missing or unknown.
    """
    tables = _filled()
    name = data.get("architecture")
    fields = {**tables.models.get(str(name), {}), **{k: v for k, v in data.items() if k != "architecture"}}
    fields.setdefault("architecture", name)
    architecture = tables.architectures.get(str(fields["architecture"]))
    if architecture is None:
        known = {**tables.architectures, **tables.models}
        raise ConfigError(f"unknown architecture {name!r}; {did_you_mean(str(name), known)}")
    return architecture.config, fields


def build(architecture: str | ModelConfig, /, **fields: Any) -> keras.Model:
    """Build a Keras model.

    Example:
        >>> import zoo
        >>> model = zoo.build("mlp", input_shape=(784,), units=[16, 16], head={"kind": "softmax", "units": 10})
        >>> model.count_params()
        13002

    Args:
        architecture: the name of an architecture or of a named size, or a whole config.
        **fields: the fields of its config, when a name was given.

    Returns:
        An ordinary `keras.Model` with one input named `inputs`, of shape (N, *input_shape), and a dict of outputs
        (`probabilities` or `value`, of shape (N, units); `<head>_...` with several heads).

    Raises:
        ConfigError: a field is unknown, missing or wrong.
    """
    if isinstance(architecture, ModelConfig):
        if fields:
            raise ConfigError(f"give a config or fields, not both; got a config and {', '.join(fields)}")
        config = architecture
    else:
        config = ModelConfig.parse({"architecture": architecture, **fields})
    inputs = keras.Input(config.input_shape, name=INPUT_NAME)
    features = get(config.architecture).backbone(preprocess(inputs, config.preprocessing), config)
    model = keras.Model(inputs, head_outputs(features, config), name=config.architecture)
    model.zoo_config = config  # for whoever exports it
    return model
