"""Changing single fields of a recipe: `model.units=[32, 32]`."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from zoo.errors import ConfigError, did_you_mean
from zoo.yaml_text import parse_yaml


def with_overrides(data: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return a copy of a recipe's plain data with single fields changed.

    Sections that are not there yet are made; whether a field exists and a value fits is checked when the data is parsed.

    Example:
        >>> with_overrides({"model": {"units": [16]}}, ["model.units=[32, 32]", "seed=7"])
        {'model': {'units': [32, 32]}, 'seed': 7}

    Args:
        data: a recipe as a mapping.
        overrides: `path=value`: a dotted path (a number picks from a list), and a value written as in YAML.

    Raises:
        ConfigError: an override has no `=`, its value is not YAML, or its path leads through something without fields.
    """
    changed = copy.deepcopy(dict(data))
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals or not path.strip():
            raise ConfigError(f"an override is path=value, such as model.units=[32,32]; got {override!r}")
        *sections, last = path.strip().split(".")
        place: Any = changed
        for depth, section in enumerate(sections):
            place = _enter(place, section, ".".join(sections[: depth + 1]))
        _put(place, last, parse_yaml(value), path)
    return changed


def _enter(place: Any, section: str, path: str) -> Any:
    if isinstance(place, list):
        found = place[_index(place, section, path)]
    else:
        found = place.get(section)
        if found is None:
            found = place[section] = {}
        elif path == "strategy" and isinstance(found, str):
            found = place[section] = {"kind": found}
    if not isinstance(found, dict | list):
        known = [name for name, value in place.items() if isinstance(value, dict)] if isinstance(place, dict) else []
        raise ConfigError(f"{path} is {found!r}, which has no fields to set; {did_you_mean(section, known)}")
    return found


def _put(place: Any, field: str, value: Any, path: str) -> None:
    place[_index(place, field, path) if isinstance(place, list) else field] = value


def _index(items: list[Any], text: str, path: str) -> int:
    if not text.isdecimal() or int(text) >= len(items):
        raise ConfigError(f"{path}: expected a number below {len(items)} to pick from a list, got {text!r}")
    return int(text)
