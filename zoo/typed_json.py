"""JSON -> frozen dataclasses by their type hints, strictly; standard library only, so that a server needs no more.

State: the hints of every class that was read, once per process; safe from any thread.
"""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

Read = TypeVar("Read")


def read(kind: type[Read], data: Any, place: str = "") -> Read:
    """Return what JSON says as a value of this type: a dataclass, or a Mapping, tuple, union or plain type in one.

    Whole numbers are taken for floats. Keys that a dataclass does not know are left alone: they are of a later version.

    Args:
        kind: what to read.
        data: of `json.loads`.
        place: where in the document that is, for the message.

    Raises:
        TypeError: it is something else; the message names the place.
        ValueError: a number is not finite.
        KeyError: a field without a default is missing.
    """
    value: Read = _read(kind, data, place)
    return value


def _read(kind: Any, data: Any, place: str) -> Any:
    if kind is Any:
        return data
    if dataclasses.is_dataclass(kind):
        return _read_dataclass(kind, data, place)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        if data is None and type(None) in inner:
            return None
        (kind,) = (each for each in inner if each is not type(None))
        return _read(kind, data, place)
    if origin is tuple:
        return _read_tuple(inner, _checked(data, list, place), place)
    if origin is not None:  # Mapping[str, ...]
        items = _checked(data, dict, place).items()
        return {key: _read(inner[1], value, f"{place}.{key:.40}") for key, value in items}
    return _read_plain(kind, data, place)


def _read_dataclass(kind: Any, data: Any, place: str) -> Any:
    _checked(data, dict, place)
    known = _hints(kind)
    return kind(
        **{name: _read(known[name], data[name], f"{place}.{name}") for name in known if _given(kind, name, data)}
    )


def _read_tuple(inner: tuple[Any, ...], items: list[Any], place: str) -> tuple[Any, ...]:
    kinds = [inner[0]] * len(items) if inner[1:] == (...,) else list(inner)
    if len(kinds) != len(items):
        raise TypeError(f"{place or 'it'}: expected {len(kinds)} items, got {len(items)}")
    return tuple(_read(kind, item, place) for kind, item in zip(kinds, items, strict=True))


def _read_plain(kind: Any, data: Any, place: str) -> Any:
    if kind is float:
        number = float(_checked(data, int | float, place))
        if not math.isfinite(number):
            raise ValueError(f"{place or 'it'}: expected a finite number, got {data}")
        return number
    return _checked(data, kind, place)


def _given(kind: Any, name: str, data: Mapping[str, Any]) -> bool:
    if name in data:
        return True
    field = kind.__dataclass_fields__[name]
    if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
        raise KeyError(name)
    return False


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _checked(value: Any, kind: Any, place: str) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"{place or 'it'}: expected {getattr(kind, '__name__', kind)}, got {value!r:.60}")
    return value
