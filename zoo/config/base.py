"""The base of every config: frozen, validated, and the same in Python, YAML and JSON."""

import hashlib
import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PositiveInt,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from zoo.errors import ConfigError, DeprecatedNameWarning, did_you_mean, shown
from zoo.yaml_text import parse_yaml, to_yaml


def _tuple_of_list(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Listed = BeforeValidator(_tuple_of_list)
"""Lets a tuple be given as a list, as YAML does; nothing else (a set has no order)."""


def _within_int32(value: int) -> int:
    if value >= 2**31:
        raise ValueError(f"expected a number below 2147483648, which 32 bits have room for, got {shown(value)}")
    return value


FITS_INT32 = AfterValidator(_within_int32)

Size = Annotated[PositiveInt, FITS_INT32]
"""A size, at least 1, that fits into 32 bits."""

Sizes = Annotated[tuple[Size, ...], Listed]
"""Sizes, each at least 1."""


def _within_float32(value: float) -> float:
    if abs(value) > _LARGEST:
        raise ValueError(f"expected a number that float32 has room for, got {value}")
    return value


_LARGEST = (2 - 2**-23) * 2**127
FITS_FLOAT32 = AfterValidator(_within_float32)

Float32 = Annotated[float, FITS_FLOAT32]
"""A number that float32, which preprocessing computes in, has room for."""


Renamed = tuple[str, Callable[[Any], Any]]
"""The new name of a field, and what makes its new value of the old one."""


class Config(BaseModel):
    """Base of every config: frozen, strictly typed, unknown fields refused by name."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    renamed: ClassVar[Mapping[str, Renamed]] = {}
    """Fields under the names they had before; these are understood, with a warning."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_fields(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            data = with_new_names(data, cls.renamed)
            forbidden = cls.model_config.get("extra") == "forbid"
            unknown = next((key for key in data if forbidden and key not in cls.model_fields), None)
            if unknown is not None:
                raise PydanticCustomError(
                    "unknown_field",
                    "unknown field '{field}'; {hint}",
                    {"field": str(unknown), "hint": did_you_mean(str(unknown), cls.model_fields)},
                )
        return data

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Make a config from plain data.

        Raises:
            ConfigError: a field is unknown, missing, or of the wrong type or value; every fault is named.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(_explain(error, data)) from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Make a config from YAML (JSON is YAML too). Raises ConfigError as `parse` does."""
        data = parse_yaml(text)
        if not isinstance(data, Mapping):
            raise ConfigError(f"expected a mapping of fields, got {type(data).__name__}: {text[:60]!r}")
        return cls.parse(data)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make a config from JSON. Raises ConfigError as `parse` does."""
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"this is not JSON: {error}") from None
        if not isinstance(data, Mapping):
            raise ConfigError(f"expected an object of fields, got {type(data).__name__}")
        return cls.parse(data)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data (dicts, lists, numbers, strings), every default written out."""
        return self.model_dump(mode="json")

    def to_json(self) -> str:
        """Return JSON that `from_json` reads back into an equal config."""
        return json.dumps(self.to_dict(), indent=2)

    def to_yaml(self) -> str:
        """Return YAML that `from_yaml` reads back into an equal config."""
        return to_yaml(self.to_dict())

    def content_hash(self) -> str:
        """Return `sha256:<hex>` of what was chosen.

        Equal configs have equal hashes in every process and version. Fields left at their default do not count, so that
        a field added later does not change the hash of a config written before it. (Fields that tell one kind of config
        from another, such as `architecture`, have no default, so they always count.)
        """
        chosen = self.model_dump(mode="json", exclude_defaults=True)
        canonical = json.dumps(_without_minus_zero(chosen), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()


def _without_minus_zero(data: Any) -> Any:
    """Return plain data with 0.0 for -0.0, which equals it."""
    if isinstance(data, dict):
        return {key: _without_minus_zero(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_without_minus_zero(value) for value in data]
    return data + 0.0 if isinstance(data, float) else data


def with_new_names(data: Mapping[str, Any], renamed: Mapping[str, Renamed]) -> Mapping[str, Any]:
    """Return fields under their new names, with a DeprecatedNameWarning for each that had its former one.

    Raises:
        PydanticCustomError: a field is given under both names.
    """
    old_names = [name for name in renamed if name in data]
    if not old_names:
        return data
    changed = dict(data)
    for old in old_names:
        new, convert = renamed[old]
        value = changed.pop(old)
        if new in changed:
            raise PydanticCustomError(
                "renamed_twice", "'{old}' is the former name of '{new}': give {new} alone", {"old": old, "new": new}
            )
        changed[new] = convert(value)
        warnings.warn(
            f"the field {old!r} is now called {new!r}: write {new}: {shown(changed[new])} in place of {old}: {shown(value)}",
            DeprecatedNameWarning,
            stacklevel=2,
        )
    return changed


def _explain(error: ValidationError, data: Any) -> str:
    lines = []
    for fault in error.errors():
        parts = fault["loc"]
        if fault["type"].startswith("union_tag"):  # the field that says which of several configs this is
            parts = (*parts, fault["ctx"]["discriminator"].strip("'"))
        place = ".".join(_place(parts, data))
        text = _sentence(fault)
        lines.append(f"{place}: {text}" if place else text)
    return "; ".join(lines)


def _place(parts: tuple[int | str, ...], data: Any) -> list[str]:
    """Return the way to a fault as a person would go it: pydantic also names the kind of what lies on the way."""
    place = []
    for number, part in enumerate(parts):
        if isinstance(data, Mapping):
            if part not in data and data.get("kind", number < len(parts) - 1 and part) == part:
                continue
            data = data.get(part)
        elif isinstance(data, list | tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            data = None
        place.append(str(part))
    return place


def _sentence(fault: ErrorDetails) -> str:
    got, kind = fault["input"], fault["type"]
    if kind in {"unknown_field", "renamed_twice", "value_error"}:
        return fault["msg"].removeprefix("Value error, ")
    if kind in {"missing", "union_tag_not_found"}:
        return "is required"
    arrived = f"got {shown(got)} ({type(got).__name__})"
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        return f"{arrived}; {did_you_mean(got if isinstance(got, str) else shown(got), known)}"
    if kind == "union_tag_invalid":
        known = re.findall(r"'([^']*)'", fault["ctx"]["expected_tags"])
        return f"got {shown(fault['ctx']['tag'])}; {did_you_mean(fault['ctx']['tag'], known)}"
    if kind == "model_attributes_type":
        return f"expected a mapping with a kind, {arrived}"
    if kind == "tuple_type":
        return f"expected a list, such as [{shown(got):.20}], {arrived}"
    return f"{fault['msg']}, {arrived}"
