"""The JSON Schema of recipes, for `zoo schema`."""

from typing import Any

from training.config import TrainConfig
from training.config.objective import SHORT_NAMES
from training.optimizers import optimizer_classes
from zoo.inspection.schema import config_schema

_SHORT_FORMS: dict[str, list[dict[str, Any]]] = {
    "EarlyStoppingConfig": [{"type": "integer", "minimum": 1}],
    "LossConfig": [{"enum": list(SHORT_NAMES)}],
    "ScheduleConfig": [],
    "StrategyConfig": [],
}
"""Sections that may be written as one word, the value of their `kind`, or as these."""
_MAY_BE_EMPTY = ("optimizer", "train", "strategy")
"""Sections that mean their defaults where they are written and left empty."""


def recipe_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a recipe."""
    schema = config_schema(TrainConfig)
    sections, definitions = schema["properties"], schema["$defs"]
    definitions["OptimizerConfig"]["properties"]["name"]["enum"] = list(optimizer_classes())
    for name, shorter in _SHORT_FORMS.items():
        definitions[name] = {"anyOf": [*shorter, _kinds(definitions[name]), definitions[name]]}
    for name in _MAY_BE_EMPTY:
        sections[name] = {"anyOf": [*sections[name].pop("anyOf", [sections[name]]), {"type": "null"}]}
    return schema


def _kinds(definition: dict[str, Any]) -> dict[str, Any]:
    kinds = definition["properties"].get("kind")
    return {"enum": kinds["enum"]} if kinds else {"not": {}}
