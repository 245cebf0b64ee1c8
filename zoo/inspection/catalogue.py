"""What there is to choose from: architectures and named sizes."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from zoo.building import build
from zoo.errors import UnknownNameError, did_you_mean
from zoo.registry import (
    example_config,
    get,
    list_architectures,
    list_models,
    model_fields,
    tags_of,
)


@dataclass(frozen=True)
class Entry:
    """An architecture, or a named size of one."""

    name: str
    family: str
    summary: str
    """What it is, or what the name stands for."""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """What a named size fills in."""
    tags: tuple[str, ...] = ()
    parameters: int | None = None
    """Of its example; None where not counted."""

    @property
    def is_size(self) -> bool:
        """Whether it is a named size."""
        return self.name != self.family


@dataclass(frozen=True)
class Filter:
    """Which entries are asked for."""

    pattern: str = "*"
    family: str | None = None
    head: str | None = None
    tag: str | None = None
    min_parameters: int | None = None
    max_parameters: int | None = None

    @property
    def by_parameters(self) -> bool:
        """Whether parameters have to be counted."""
        return self.min_parameters is not None or self.max_parameters is not None

    def __str__(self) -> str:
        asked = {
            "family": self.family,
            "head": self.head,
            "tag": self.tag,
            "at least": self.min_parameters,
            "at most": self.max_parameters,
        }
        words = [f"{name} {value}" for name, value in asked.items() if value is not None]
        return ", ".join([repr(self.pattern), *words])


def find_entries(wanted: Filter, *, count: bool = False) -> list[Entry]:
    """Return the architectures, then the named sizes, that fit.

    Args:
        wanted: which.
        count: whether to count parameters, which means building every model.

    Raises:
        UnknownNameError: nothing fits, or there is no such family, kind of head or tag.
    """
    sizes = list_models(wanted.pattern, family=wanted.family, head=wanted.head, tag=wanted.tag)
    entries = [_architecture(name) for name in list_architectures() if _fits(name, wanted)]
    entries += [_size(name) for name in sizes]
    if count or wanted.by_parameters:
        entries = [_counted(entry) for entry in entries]
        entries = [entry for entry in entries if _within(entry.parameters or 0, wanted)]
    if not entries:
        known = [*list_architectures(), *list_models()]
        hint = did_you_mean(wanted.pattern, known) if wanted == Filter(wanted.pattern) else "loosen a filter"
        raise UnknownNameError(f"nothing matches {wanted}; {hint}")
    return entries


def first_line(documented: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(documented) or "").partition("\n")[0]


def fields_in_words(fields: Mapping[str, Any]) -> str:
    """Return `units=[16, 16] activation=tanh`, as one would write it after `--set`; the architecture is left out."""
    chosen = {key: value for key, value in fields.items() if key != "architecture"}
    return " ".join(f"{key}={value_in_words(value)}" for key, value in chosen.items())


def value_in_words(value: Any) -> str:
    """Return a value as one would write it in YAML."""
    return value if isinstance(value, str) else json.dumps(value)


def _fits(name: str, wanted: Filter) -> bool:
    return (
        fnmatchcase(name, wanted.pattern)
        and wanted.family in {None, name}
        and (wanted.tag is None or wanted.tag in tags_of(name))
        and (wanted.head is None or wanted.head in example_config(name).head_kinds())
    )


def _architecture(name: str) -> Entry:
    return Entry(name, name, first_line(get(name).config), tags=tags_of(name))


def _size(name: str) -> Entry:
    fields = model_fields(name)
    return Entry(name, fields["architecture"], fields_in_words(fields), fields, tags_of(name))


def _counted(entry: Entry) -> Entry:
    model = build(example_config(entry.name))
    return Entry(**{**vars(entry), "parameters": model.count_params()})


def _within(parameters: int, wanted: Filter) -> bool:
    return (wanted.min_parameters or 0) <= parameters <= (wanted.max_parameters or parameters)
