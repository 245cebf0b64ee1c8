"""Which architectures and named models there are.

State: two module-level tables, filled when the first question is asked; registering and asking are safe from any thread.
"""

import logging
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, get_args

import keras
from pydantic.fields import FieldInfo

from zoo.config import Config, HeadConfig, ModelConfig
from zoo.config.base import with_new_names
from zoo.errors import ConfigError, DeprecatedNameWarning, RegistrationError, UnknownNameError, did_you_mean, shown

logger = logging.getLogger(__name__)

BUILT_IN = ("zoo.builders.cnn", "zoo.builders.mlp", "zoo.builders.recurrent", "zoo.builders.transformer")
ENTRY_POINTS = "zoo.architectures"
"""Other packages name a module of theirs in this group; importing it registers what it has."""

Backbone = Callable[[Any, Any], keras.KerasTensor]
"""(inputs, config) -> features. The inputs are one tensor, or a dict where the config names several."""


@dataclass(frozen=True)
class Architecture:
    """One family of models: how it is configured and how its backbone is made."""

    name: str
    config: type[ModelConfig]
    backbone: Backbone
    example: Mapping[str, Any]
    """What a person would choose of the required fields, to look at a model of the family, and for tests to build one."""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class NamedSize:
    """An architecture with some of its fields filled in."""

    architecture: str
    fields: Mapping[str, Any]
    example: Mapping[str, Any]
    """What its architecture's example lacks, or has otherwise."""
    tags: tuple[str, ...] = ()


@dataclass
class _Tables:
    lock: threading.Lock = field(default_factory=threading.Lock)
    """Guards the tables; never held while a module is imported, whose registering waits for it."""
    filling: threading.RLock = field(default_factory=threading.RLock)
    architectures: dict[str, Architecture] = field(default_factory=dict)
    models: dict[str, NamedSize] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    filled: bool = False


_tables = _Tables()


def register(
    name: str, config: type[ModelConfig], *, example: Mapping[str, Any], tags: Sequence[str] = ()
) -> Callable[[Backbone], Backbone]:
    """Register the decorated backbone builder as an architecture.

    Args:
        name: the registry key, such as `mlp`.
        config: its config class, a ModelConfig with fields of its own.
        example: fields that together with the defaults make a small model: `input_shape`, a head and what else is required.
            It is what `zoo summary` shows and what the tests of every architecture build.
        tags: words to find it by, such as `image`.

    Raises:
        RegistrationError: the name is taken.
    """

    def add(backbone: Backbone) -> Backbone:
        with _tables.lock:
            _refuse_taken(name)
            _tables.architectures[name] = Architecture(name, config, backbone, dict(example), tuple(tags))
        return backbone

    return add


def register_model(
    name: str,
    *,
    architecture: str,
    tags: Sequence[str] = (),
    example: Mapping[str, Any] | None = None,
    **fields: Any,
) -> None:
    """Register a named size: an architecture with some of its fields filled in.

    Args:
        name: such as `mlp_tiny`.
        architecture: the architecture's name.
        tags: words to find it by, beside those of the architecture.
        example: fields in place of, or beside, those of the architecture's example.
        **fields: what the name stands for.

    Raises:
        RegistrationError: the name is taken, or there is no such architecture.
    """
    with _tables.lock:
        _refuse_taken(name)
        if _tables.filled and architecture not in _tables.architectures:
            raise RegistrationError(
                f"{name!r} is of the architecture {architecture!r}; {did_you_mean(architecture, _tables.architectures)}"
            )
        _tables.models[name] = NamedSize(architecture, fields, dict(example or {}), tuple(tags))


def register_renamed(old: str, new: str) -> None:
    """Let a former name of an architecture or named size go on working, with a warning that says the new one.

    Raises:
        RegistrationError: the former name is taken, or leads back to itself.
    """
    with _tables.lock:
        _refuse_taken(old)
        newest = new
        while newest in _tables.renamed:
            newest = _tables.renamed[newest]
        if newest == old:
            raise RegistrationError(f"{old!r} cannot be the former name of itself")
        _tables.renamed[old] = new


def _refuse_taken(name: str) -> None:
    if name in _tables.architectures or name in _tables.models or name in _tables.renamed:
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
    """Import what an entry point names: all that it registers, or where it fails nothing of it."""
    with _tables.lock:
        before = [dict(table) for table in _registered()]
    try:
        point.load()
        for name, size in _tables.models.items():
            if size.architecture not in _tables.architectures:
                raise LookupError(f"{name!r} is of the architecture {size.architecture!r}, which nobody registered")  # noqa: TRY301
    except RegistrationError as error:
        _restore(before)
        raise RegistrationError(f"the architectures of {point.value} (entry point {point.name!r}): {error}") from None
    except Exception as error:  # noqa: BLE001 - another package's import may fail in any way; the rest must work
        _restore(before)
        logger.warning("cannot load the architectures of %s: %s: %s", point.value, type(error).__name__, error)


def _registered() -> tuple[dict[str, Any], ...]:
    return _tables.architectures, _tables.models, _tables.renamed


def _restore(before: Sequence[Mapping[str, Any]]) -> None:
    with _tables.lock:
        for table, was in zip(_registered(), before, strict=True):
            table.clear()
            table.update(was)


def get(name: str) -> Architecture:
    """Return an architecture by name. Raises UnknownNameError with the nearest known name."""
    architectures = _filled().architectures
    name = _current(name)
    if name not in architectures:
        raise UnknownNameError(f"unknown architecture {name!r}; {did_you_mean(name, architectures)}")
    return architectures[name]


def list_architectures() -> list[str]:
    """Return the names of the registered families, sorted."""
    return sorted(_filled().architectures)


def list_models(
    pattern: str = "*", *, family: str | None = None, head: str | None = None, tag: str | None = None
) -> list[str]:
    """Return the names of the named sizes, sorted.

    Args:
        pattern: a wildcard that names match, such as `cnn_*`.
        family: only sizes of this architecture.
        head: only those that can carry a head of this kind, such as `token`.
        tag: only those with this tag, their architecture's included.

    Raises:
        UnknownNameError: there is no such family, or nothing has such a head or tag.
    """
    names = sorted(name for name in _filled().models if fnmatchcase(name, pattern))
    if family is not None:
        family = get(family).name
        names = [name for name in names if _tables.models[name].architecture == family]
    if head is not None:
        _refuse_unknown("kind of head", head, get_args(HeadConfig.model_fields["kind"].annotation))
        names = [name for name in names if head in example_config(name).head_kinds()]
    if tag is not None:
        _refuse_unknown("tag", tag, {known for name in _tables.models for known in tags_of(name)})
        names = [name for name in names if tag in tags_of(name)]
    return names


def _refuse_unknown(what: str, name: str, known: Iterable[str]) -> None:
    names = set(known)
    if name not in names:
        raise UnknownNameError(f"unknown {what} {name!r}; {did_you_mean(name, names)}")


def model_fields(name: str) -> dict[str, Any]:
    """Return what a named size stands for: its architecture and the fields it fills in."""
    size = _named_size(name)
    return {"architecture": size.architecture, **size.fields}


def tags_of(name: str) -> tuple[str, ...]:
    """Return the tags of an architecture or a named size, sorted; a size has those of its architecture too."""
    if name in _filled().models:
        size = _tables.models[name]
        return tuple(sorted({*size.tags, *get(size.architecture).tags}))
    return tuple(sorted(get(name).tags))


def example_config(name: str) -> ModelConfig:
    """Return a whole config of an architecture or a named size: what its name leaves open is as in its example.

    Raises:
        ConfigError: there is no such name.
    """
    tables, name = _filled(), _current(name)
    if name in tables.models:
        size = tables.models[name]
        fields = {**get(size.architecture).example, **size.fields, **size.example}
        return ModelConfig.parse({**fields, "architecture": size.architecture})
    example = tables.architectures[name].example if name in tables.architectures else {}
    return ModelConfig.parse({**example, "architecture": name})


def resolve(data: Mapping[str, Any]) -> tuple[type[ModelConfig], dict[str, Any]]:
    """Return the config class and the plain fields that `data` means, named sizes spelled out.

    Raises:
        ConfigError: `architecture` is missing or unknown.
    """
    tables = _filled()
    name = data.get("architecture")
    if isinstance(name, str):
        name = _current(name)
    given = {key: value for key, value in data.items() if key != "architecture"}
    size = tables.models.get(name) if isinstance(name, str) else None
    family = size.architecture if size else name
    if family is None:
        raise ConfigError(f"architecture: is required; known: {', '.join(sorted(tables.architectures))}")
    architecture = tables.architectures.get(family) if isinstance(family, str) else None
    if architecture is None:
        known = {**tables.architectures, **tables.models}
        hint = did_you_mean(family if isinstance(family, str) else shown(family), known)
        raise ConfigError(f"unknown architecture {shown(family)}; {hint}")
    fields = _beside(size.fields, given, architecture.config) if size else given
    return architecture.config, {"architecture": family, **fields}


def _beside(fields: Mapping[str, Any], given: Mapping[str, Any], config: type[ModelConfig]) -> dict[str, Any]:
    """Return the fields of a named size with those given beside it, which win, under their new names.

    Mappings join, so that choosing dropout does not switch off the normalization of a size that has some; what has a kind
    of its own is another thing, and replaces.
    """
    joined = {**fields, **with_new_names(given, config.renamed)}
    for key, chosen in fields.items():
        part = _part(joined[key], config.model_fields.get(key))
        if part is not None and isinstance(chosen, Mapping):
            joined[key] = {**chosen, **part}
    return joined


def _part(value: Any, field: FieldInfo | None) -> Mapping[str, Any] | None:
    """Return the fields that a mapping, or a config, chooses by name; None where it is no such thing."""
    if isinstance(value, Config):
        value = {name: getattr(value, name) for name in value.model_fields_set}
    if not isinstance(value, Mapping) or "kind" in value:
        return None
    of = field.annotation if field else None
    return with_new_names(value, of.renamed) if isinstance(of, type) and issubclass(of, Config) else value


def _named_size(name: str) -> NamedSize:
    models = _filled().models
    name = _current(name)
    if name not in models:
        raise UnknownNameError(f"unknown model {name!r}; {did_you_mean(name, models)}")
    return models[name]


def _current(name: str) -> str:
    """Return what a name is called now."""
    renamed = _filled().renamed
    if name not in renamed:
        return name
    new = renamed[name]
    while new in renamed:
        new = renamed[new]
    warnings.warn(f"{name!r} is now called {new!r}", DeprecatedNameWarning, stacklevel=3)
    return new
