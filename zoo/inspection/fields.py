"""What can be set of a config, told to a person: from its JSON Schema, where the meaning of each field is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from zoo.config import ModelConfig
from zoo.inspection.catalogue import value_in_words
from zoo.inspection.schema import config_schema
from zoo.registry import get, list_architectures, model_fields

Schema = Mapping[str, Any]
_NESTED = {"regularization", "head"}
"""Sections whose own fields are told one by one."""
_PLAIN = {
    "boolean": "true | false",
    "integer": "whole number",
    "null": "null",
    "number": "number",
    "string": "text",
}


@dataclass(frozen=True)
class Field:
    """One field of a config."""

    path: str
    """Such as `regularization.l2`, as in an override."""
    type: str
    required: bool
    default: Any
    """As in YAML; what the named size says, where it says something."""
    meaning: str
    fixed: bool = False
    """Whether the default is the named size's."""

    @property
    def default_in_words(self) -> str:
        """What it is when nobody sets it."""
        if self.path in {"head", "heads"} and not self.fixed:
            return "one of the two"
        return "required" if self.required else value_in_words(self.default) + " (fixed by the name)" * self.fixed


def fields_of(name: str) -> list[Field]:
    """Return the fields of an architecture, or those of a named size with what its name fills in.

    Raises:
        UnknownNameError: there is no such name.
    """
    filled = {} if name in list_architectures() else model_fields(name)
    family = filled.get("architecture", name)
    config = get(family).config
    schema = config_schema(config, names=[family])
    definitions = schema["$defs"]
    required = {field for field, info in config.model_fields.items() if info.is_required()} - {"architecture"}
    fields = list(_fields(schema, definitions, "", required, filled))
    shared = ModelConfig.model_fields
    return sorted(fields, key=lambda field: (field.path not in required, field.path.partition(".")[0] in shared))


def steps() -> dict[str, tuple[str, str]]:
    """Return the kinds of preprocessing: their fields, and what they do."""
    schema = config_schema(get(list_architectures()[0]).config, names=list_architectures()[:1])
    definitions = schema["$defs"]
    found = {}
    for option in schema["properties"]["preprocessing"]["items"]["oneOf"]:
        step = _resolved(option, definitions)
        words = [
            key if key in step["required"] else f"{key}={value_in_words(part.get('default'))}"
            for key, part in step["properties"].items()
            if key != "kind"
        ]
        found[step["properties"]["kind"]["const"]] = (", ".join(words), step["description"].partition("\n")[0])
    return found


def _fields(
    schema: Schema, definitions: Schema, prefix: str, required: set[str], filled: Mapping[str, Any]
) -> Iterator[Field]:
    for key, part in schema["properties"].items():
        if part.get("deprecated") or (key == "architecture" and not prefix):
            continue
        inner = _section(part, definitions) if key in _NESTED else None
        if inner is not None and not prefix:
            if key == "head":
                yield _field(key, part, definitions, required=False, filled=filled)
            needed = set(inner.get("required", ()))
            yield from _fields(inner, definitions, f"{key}.", needed, filled.get(key) or {})
            continue
        yield _field(prefix + key, part, definitions, required=key in required, filled=filled)


def _field(path: str, part: Schema, definitions: Schema, *, required: bool, filled: Mapping[str, Any]) -> Field:
    key = path.rpartition(".")[2]
    fixed = key in filled
    default = filled[key] if fixed else part.get("default")
    meaning = " ".join(part.get("description", "").split())
    return Field(path, _in_words(part, definitions), required and not fixed, default, meaning, fixed)


def _section(part: Schema, definitions: Schema) -> Schema | None:
    """Return the mapping that a field holds, where it holds one."""
    for option in part.get("anyOf", [part]):
        found = _resolved(option, definitions)
        if found.get("properties"):
            return found
    return None


def _resolved(part: Schema, definitions: Schema) -> Schema:
    name = str(part.get("$ref", "")).rpartition("/")[2]
    return definitions.get(name, part)


def _in_words(part: Schema, definitions: Schema) -> str:
    part = _resolved(part, definitions)
    if "anyOf" in part:
        return _any_of(part["anyOf"], definitions)
    if "enum" in part:
        return " | ".join(map(str, part["enum"]))
    match part.get("type"):
        case "integer" | "number" as kind:
            return f"{_PLAIN[kind]}{_bounds(part)}"
        case "array" if "oneOf" in part["items"]:
            return "list of steps"
        case "array":
            return f"list of {_in_words(part['items'], definitions).replace('whole number', 'whole numbers')}"
        case "object" if "patternProperties" in part:
            return "mapping of names to heads"
        case kind:
            return _PLAIN.get(str(kind), "mapping")


def _any_of(options: list[Schema], definitions: Schema) -> str:
    resolved = [_resolved(option, definitions) for option in options]
    if (
        any("kind" in option.get("properties", {}) for option in resolved) and len(resolved) > 2
    ):  # see zoo.config.choice
        number = any(option.get("type") == "number" for option in resolved)
        return f"name{', number' * number}, or {{kind: name, ...}}"
    return " or ".join(_in_words(option, definitions) for option in options)


def _bounds(part: Schema) -> str:
    words = []
    if "exclusiveMinimum" in part:
        low = part["exclusiveMinimum"]
        words.append(f">= {low + 1}" if part["type"] == "integer" else f"> {low}")
    if "minimum" in part:
        words.append(f">= {part['minimum']}")
    if "exclusiveMaximum" in part:
        words.append(f"< {part['exclusiveMaximum']}")
    if "maximum" in part:
        words.append(f"<= {part['maximum']}")
    return "".join(f" {' and '.join(words)}" if words else "")
