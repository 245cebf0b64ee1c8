"""Configs as JSON Schema (draft 2020-12), so that an editor completes and checks YAML recipes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

import keras
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from zoo.activations import PRELU
from zoo.config import ActivationConfig, ConstraintConfig, InitializerConfig, ModelConfig
from zoo.config.base import Config
from zoo.errors import UnknownNameError, did_you_mean
from zoo.inspection.catalogue import fields_in_words, first_line
from zoo.keras_names import names_in
from zoo.passport import Passport
from zoo.registry import get, list_architectures, list_models, model_fields

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ENTRY_POINTS = "zoo.schemas"
"""Other packages name a function in this group; it returns the JSON Schema of a config of theirs."""

Schema = dict[str, Any]
_HEADS = {
    "oneOf": [
        {"required": ["head"], "properties": {"head": {"type": "object"}}},
        {"required": ["heads"], "properties": {"heads": {"type": "object"}}},
    ]
}
"""One of the two, and the other absent or null."""


def find_schema(name: str) -> Schema:
    """Return the schema of `model`, `passport`, an architecture or named size, or what a package offers (`recipe`).

    Raises:
        UnknownNameError: there is no such schema.
    """
    if name == "model":
        return config_schema(ModelConfig)
    if name == "passport":
        return {"$schema": DRAFT, **TypeAdapter(Passport).json_schema(mode="serialization")}
    if name in {*list_architectures(), *list_models()}:
        return config_schema(ModelConfig, names=[name])
    points = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in points:
        known = ["model", "passport", *points, *list_architectures(), *list_models()]
        raise UnknownNameError(f"there is no schema {name!r}; {did_you_mean(name, known)}")
    make: Callable[[], Schema] = points[name].load()
    return make()


def config_schema(config: type[Config], *, names: Sequence[str] | None = None) -> Schema:
    """Return the schema of a config class; a ModelConfig in it is any of the registered architectures.

    Example:
        >>> from zoo.config import ModelConfig
        >>> from zoo.inspection import config_schema
        >>> schema = config_schema(ModelConfig)
        >>> "mlp_tiny" in schema["properties"]["architecture"]["enum"]
        True

    Args:
        config: the class.
        names: of the architectures and named sizes that a model may have; all where not given.
    """
    names = [*list_architectures(), *list_models()] if names is None else names
    families = {_family(name): get(_family(name)).config for name in names}
    classes: list[type[Config]] = list(dict.fromkeys([config, ModelConfig, *families.values()]))
    found, shared = models_json_schema([(each, "validation") for each in classes], schema_generator=_Generator)
    references = {each: found[each, "validation"]["$ref"].rpartition("/")[2] for each in classes}
    definitions: dict[str, Schema] = shared["$defs"]
    for family, family_class in families.items():
        own = definitions[references[family_class]]
        sizes = [name for name in names if _family(name) == family]
        own["properties"]["architecture"] = {"enum": sizes}
        own["required"] = [field for field in own["required"] if field == "architecture"]
    definitions[references[ModelConfig]] = _union(names, {family: references[c] for family, c in families.items()})
    schema = definitions.pop(references[config])
    whole = {
        "$schema": DRAFT,
        "title": " ".join(filter(None, (config.__name__, *(names if len(names) == 1 else [])))),
        **schema,
    }
    whole["$defs"] = {name: definitions[name] for name in sorted(_used(schema, definitions))}
    return _tidy(whole)


class _Generator(GenerateJsonSchema):
    """Pydantic's own, with what the validators of this project know beyond their types."""

    def model_schema(self, schema: core_schema.ModelSchema) -> Schema:
        made = super().model_schema(schema)
        for old, (new, _) in getattr(schema["cls"], "renamed", {}).items():
            made["properties"][old] = {"deprecated": True, "description": f"Now called `{new}`."}
        return made


def _family(name: str) -> str:
    return name if name in list_architectures() else str(model_fields(name)["architecture"])


def _union(names: Sequence[str], references: Mapping[str, str]) -> Schema:
    """Return the schema of a model: by the name of its architecture, the fields of that and what is required of it."""
    rules = [
        _if_named([name for name in names if _family(name) == family], {"$ref": f"#/$defs/{reference}"})
        for family, reference in references.items()
    ]
    for needed, alike in _by_need(names).items():
        rule: Schema = {"required": list(needed)} if needed else {}
        rules.append(_if_named(alike, {**rule, **_HEADS}))
    field = ModelConfig.model_fields["architecture"]
    return {
        "type": "object",
        "description": "Everything that makes a model; which fields there are depends on `architecture`.",
        "required": ["architecture"],
        "properties": {
            "architecture": {
                "enum": list(names),
                "description": field.description,
                "enumDescriptions": [_described(name) for name in names],
            }
        },
        "allOf": rules,
    }


def _if_named(names: Sequence[str], then: Schema) -> Schema:
    return {"if": {"required": ["architecture"], "properties": {"architecture": {"enum": list(names)}}}, "then": then}


def _by_need(names: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    """Return the names by the fields that they leave to be given."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        filled = {"architecture": name} if name in list_architectures() else model_fields(name)
        fields = get(_family(name)).config.model_fields
        needed = tuple(field for field, info in fields.items() if info.is_required() and field not in filled)
        alike.setdefault(needed, []).append(name)
    return alike


def _described(name: str) -> str:
    return first_line(get(name).config) if name in list_architectures() else fields_in_words(model_fields(name))


def _used(schema: Any, definitions: Mapping[str, Schema]) -> set[str]:
    """Return the definitions that a schema refers to, directly or through others."""
    found: set[str] = set()
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in definitions and name not in found:
                found.add(name)
                waiting.append(definitions[name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


def _tidy(schema: Schema) -> Schema:
    """Mend what pydantic cannot know: names that Keras has, numbers for initializers, lengths of lists, stray headings."""
    modules = {
        ActivationConfig: keras.activations,
        InitializerConfig: keras.initializers,
        ConstraintConfig: keras.constraints,
    }
    for config, module in modules.items():
        choice = schema["$defs"].get(config.__name__)
        if choice is None:
            continue
        names = [*names_in(module), *([PRELU] if config is ActivationConfig else [])]
        named = {"anyOf": [{"enum": names}, {"type": "string"}]}
        _, mapping = choice["anyOf"]
        mapping["properties"]["kind"] = {**named, "description": mapping["properties"]["kind"]["description"]}
        numbers = [{"type": "number"}] if config is InitializerConfig else []
        choice["anyOf"] = [*named["anyOf"], *numbers, mapping]
        choice["description"] = mapping.pop("description")
    return {"$schema": schema["$schema"], "title": schema["title"], **_mended({**schema, "title": None})}


def _mended(part: Any) -> Any:
    if isinstance(part, list):
        return [_mended(each) for each in part]
    if not isinstance(part, dict):
        return part
    mended = {key: value for key, value in part.items() if not (key == "title" and not isinstance(value, dict))}
    if mended.get("type") == "array" and "minLength" in mended:  # a length that was given beside a validator
        mended["minItems"] = mended.pop("minLength")
    if "patternProperties" in mended:
        mended["additionalProperties"] = False
    mended.pop("discriminator", None)  # a word of OpenAPI
    return {key: _mended(value) for key, value in mended.items() if key != "$schema"}
